/** Owns what is done in the background, on one replica at a time. */
export { type Job, type Jobs, makeJobs } from "./jobs.ts";
