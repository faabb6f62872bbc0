/** Owns what OAuth clients are granted: one file per grant behind one host, the consents behind them, and how they end. */
export type { Asker, Granted, TokenAnswer, TokenRequest } from "./token-request.ts";
