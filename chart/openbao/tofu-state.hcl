# What tofu-state may do in OpenBao: all that it needs and nothing else. With these rights its token needs no other
# policy, not even `default`. A mount by another name: replace `states/` (chart/openbao/setup does).

# States and their locks, chunks of large states, and states that a policy has refused. Nothing is ever deleted here:
# a deleted state is a revision that says so.
path "states/data/*" {
  capabilities = ["create", "read", "update"]
}

# How many revisions of a state stay recoverable (KEEP_VERSIONS), and which there are.
path "states/metadata/*" {
  capabilities = ["create", "read", "update", "list"]
}

# Chunks that no revision needs any more are removed.
path "states/metadata/.chunks/*" {
  capabilities = ["list", "delete"]
}

# So are refused states that somebody has accepted or discarded; also where the mount keeps several versions of them.
path "states/metadata/.quarantine/*" {
  capabilities = ["create", "read", "update", "list", "delete"]
}
path "states/destroy/.quarantine/*" {
  capabilities = ["update"]
}

# At start: that nothing deletes states after some time.
path "states/config" {
  capabilities = ["read"]
}

# At start: that none of the rights above is missing.
path "sys/capabilities-self" {
  capabilities = ["update"]
}

# How long the server's own token lasts, and its renewal.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
