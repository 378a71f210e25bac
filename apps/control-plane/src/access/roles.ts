// Who may do what: each role may do what those before it may.

/** `viewer` looks, `operator` steers what is there, `admin` makes and deletes, and gives access. */
export const roles = ["viewer", "operator", "admin"] as const;
export type Role = (typeof roles)[number];

/** Whether a role is enough for what needs another. */
export function allows(has: Role, needs: Role): boolean {
  return roles.indexOf(has) >= roles.indexOf(needs);
}

/** Who is asking. */
export type Actor = { id: string; name: string; role: Role };

/** Everybody, where there is no login: on loopback, in development. */
export const nobody: Actor = { id: "none", name: "no login", role: "admin" };
