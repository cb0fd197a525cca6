// owners: who may apply what. The configuration is JSON: beginnings of paths, each with the callers who may lock such
// a state for anything but a plan. What no beginning fits is nobody's, and everybody may apply it.
//
//   { "platform/": ["release"], "platform/dns": ["release", "dns-team"] }

import type { Change, Context, Example, Verdict } from "./contract";

type Owners = { beginning: string; callers: string[] }[];

/** The longest beginning first: it decides. */
function read(configuration: string): Owners {
  let written: unknown;
  try {
    written = JSON.parse(configuration);
  } catch {
    throw 'the configuration is not JSON: write { "platform/": ["release"] }';
  }
  if (typeof written !== "object" || written === null || Array.isArray(written)) {
    throw 'the configuration is no JSON object: write { "platform/": ["release"] }';
  }
  const owners = Object.entries(written).map(([beginning, callers]) => {
    if (!Array.isArray(callers) || !callers.every((caller) => typeof caller === "string")) {
      throw `the callers of ${JSON.stringify(beginning)} are no list of names: write ["release"]`;
    }
    return { beginning, callers: callers as string[] };
  });
  return owners.sort((a, b) => b.beginning.length - a.beginning.length);
}

function judge(change: Change, owners: Owners): Verdict {
  // On LOCK a change can still be prevented. When a state is written, the infrastructure has changed already.
  const begins = change.operation === "lock" && change.lock?.operation !== "OperationTypePlan";
  const owner = owners.find(({ beginning }) => change.path.startsWith(beginning));
  if (!begins || owner === undefined || (change.caller.named && owner.callers.includes(change.caller.name))) {
    return { tag: "allow", val: owner ? [{ name: "owner", value: owner.beginning.slice(0, 256) }] : [] };
  }
  const callers = owner.callers.join(", ");
  return { tag: "deny", val: { reason: `${owner.beginning} is applied by ${callers}; a plan passes`, keep: true } };
}

const configuration = '{ "platform/": ["release"] }';

function example(name: string, caller: string, operation: string, expected: Example["expected"]): Example {
  const lock = { id: "1", operation, who: "ci@runner", version: "1.12.6", info: "", created: "" };
  return {
    name,
    change: {
      operation: "lock",
      path: "platform/network",
      caller: { name: caller, named: true },
      lock,
      current: null,
      proposed: null,
      overwrite: null,
      received: 0,
    },
    context: { configuration, resources: null },
    expected,
  };
}

// What the world exports: its interfaces by name.

export const module = {
  check(configuration: string): void {
    read(configuration);
  },
  examples(): Example[] {
    return [
      example("an apply by an owner", "release", "OperationTypeApply", "allow"),
      example("an apply by somebody else", "ci", "OperationTypeApply", "deny"),
      example("a plan by somebody else", "ci", "OperationTypePlan", "allow"),
    ];
  },
};

export const policy = {
  review(change: Change, context: Context): Verdict {
    return judge(change, read(context.configuration));
  },
};
