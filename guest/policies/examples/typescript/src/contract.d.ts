// The types of wit/deps/policy/types.wit, as componentize-qjs hands them over: records are objects with camelCase
// names, an option is the value or null, a variant has a tag and a val, a failed result is thrown.

export type Operation = "lock" | "write" | "force-unlock" | "delete";

export interface LockInfo {
  id: string;
  operation: string;
  who: string;
  version: string;
  info: string;
  created: string;
}

export interface StateHeader {
  serial: number;
  lineage: string;
  size: number;
  toolVersion: string | null;
  encrypted: boolean;
  empty: boolean;
  sha256: Uint8Array;
}

export interface Change {
  operation: Operation;
  path: string;
  caller: { name: string; named: boolean };
  lock: LockInfo | null;
  current: StateHeader | null;
  proposed: StateHeader | null;
  overwrite: number | null;
  received: number;
}

export interface TypeChanges {
  resourceType: string;
  added: number;
  changed: number;
  removed: number;
}

export interface Context {
  configuration: string;
  resources: {
    before: number;
    after: number;
    added: number;
    changed: number;
    removed: number;
    byType: TypeChanges[];
    outputs: string[];
  } | null;
}

export type Verdict =
  | { tag: "allow"; val: { name: string; value: string }[] }
  | { tag: "warn"; val: string }
  | { tag: "deny"; val: { reason: string; keep: boolean } };

export interface Example {
  name: string;
  change: Change;
  context: Context;
  expected: "allow" | "warn" | "deny";
}
