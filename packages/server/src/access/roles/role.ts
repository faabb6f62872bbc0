import { createHash } from "node:crypto";
import type { roleCloud } from "@legate/contract";
import type { z } from "zod";
import type { Random } from "../../ground/kernel/index.ts";

/** A role of a cloud, and how its credentials are had. */
export type RoleCloud = z.output<typeof roleCloud>;

/** What an agent may be turned into: a role of ours, or one of a cloud. */
export interface Role {
  /** `rol_` and 32 hex digits, never reused. */
  readonly id: string;
  /** Unique in the tenant. */
  readonly name: string;
  /** Ours, or the cloud's own. */
  readonly arn: string;
  readonly description: string | undefined;
  /** Who may take it on: agent ids, `label:...` or `*`. */
  readonly agents: readonly string[];
  /** Who may take it on besides, as JSON text in the words of RAM; whoever `agents` lets in where there is none. */
  readonly trustPolicy: string | undefined;
  /** What it may do, as JSON text in the words of RAM; policies may be attached as well, and with neither it may do nothing. */
  readonly permissionPolicy: string | undefined;
  readonly cloud: RoleCloud | undefined;
  /** Raised by every change. */
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What may be said of a role beside its name; `null` empties, what is left out stays. Policies are JSON text. */
export interface RoleFields {
  readonly description?: string | null | undefined;
  /** Agents by name or id, `label:...` or `*`; a new role begins with `*`. */
  readonly agents?: readonly string[] | undefined;
  readonly trustPolicy?: string | null | undefined;
  readonly permissionPolicy?: string | null | undefined;
  /** Only of a role that is a cloud's from the first. */
  readonly cloud?: RoleCloud | undefined;
}

/** A permission policy that stands by itself, to be attached to roles. */
export interface RolePolicy {
  readonly name: string;
  readonly type: PolicyType;
  /** JSON text in the words of RAM. */
  readonly document: string;
  readonly description: string | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A tenant's own, or one that every tenant has. */
export type PolicyType = "Custom" | "System";

/** A policy as it is attached. */
export interface PolicyRef {
  readonly type: PolicyType;
  readonly name: string;
}

/** How many roles and policies a tenant may have, and how many policies a role. */
export const mostRoles = 1_000;
export const mostPolicies = 1_500;
export const mostAttached = 20;

export const newRoleId = (random: Random): string => `rol_${random(16).toString("hex")}`;

export const isRoleId = (ref: string): boolean => /^rol_[0-9a-f]{32}$/.test(ref);

/** A name never looks like an id, nor like an ARN. */
export const isRoleName = (name: string): boolean => /^(?!rol_)[A-Za-z0-9.@_-]{1,64}$/.test(name);

export const isPolicyName = (name: string): boolean => /^[A-Za-z0-9.@_-]{1,128}$/.test(name);

/** The id of a role that no row has: always the same for the same ARN. */
export const implicitRoleId = (tenant: string, arn: string): string =>
  `rol_${createHash("sha256")
    .update(JSON.stringify([tenant, arn]))
    .digest("hex")
    .slice(0, 32)}`;
