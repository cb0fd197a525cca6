//! Policies in the sandbox, as the example shows it.

#[allow(unreachable_pub, reason = "an example's main is seen by this test only")]
#[path = "../../examples/policy.rs"]
pub mod example;

#[test]
fn a_policy_rules_out_what_the_protocol_alone_cannot() {
    example::main().unwrap();
}
