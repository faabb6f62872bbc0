/** Owns the wire of Coze workload identity. */
export {};
