//! State files as the CLIs write them: resources with values that vary, indented by two spaces.
//!
//! A state is two pieces: a head with the serial, and all the rest, which the serials share. So the
//! measuring side neither makes nor copies a large state for each write.

use bytes::Bytes;
use serde_json::{Value, json};

/// Everything of a state but its serial.
#[derive(Clone)]
pub(crate) struct States {
    lineage: String,
    tail: Bytes,
}

/// What ends each state.
const END: &str = "\n  ],\n  \"check_results\": null\n}\n";

/// An attribute of one of the kinds of resources, and what another state may have instead.
const ATTRIBUTE: &str = "\"ebs_optimized\": true";
const OTHER_ATTRIBUTE: &str = "\"ebs_optimized\": false";

impl States {
    /// States of nearly `bytes` bytes and never more, with at least one resource. The same `seed` gives the
    /// same state.
    pub(crate) fn new(bytes: usize, seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let lineage = random.uuid();
        let mut tail = String::with_capacity(bytes);
        // The head, with the longest serial.
        let around = head(u64::MAX, &lineage).len() + END.len();
        let mut number = 0;
        loop {
            let resource = resource(number, &mut random);
            let text = format!("{resource:#}").replace('\n', "\n    ");
            let separator = if number == 0 { "\n    " } else { ",\n    " };
            if number > 0 && around + tail.len() + separator.len() + text.len() > bytes {
                break;
            }
            tail.push_str(separator);
            tail.push_str(&text);
            number += 1;
        }
        tail.push_str(END);
        Self { lineage, tail: Bytes::from(tail) }
    }

    /// The same states with something else in every `step`th of the resources that have the attribute, and in how
    /// many that is.
    pub(crate) fn changed(&self, step: usize) -> (Self, usize) {
        let text = String::from_utf8_lossy(&self.tail);
        let (mut tail, mut changed) = (String::with_capacity(text.len()), 0);
        for (place, piece) in text.split(ATTRIBUTE).enumerate() {
            match place.checked_sub(1) {
                Some(before) if before.is_multiple_of(step) => {
                    tail.push_str(OTHER_ATTRIBUTE);
                    changed += 1;
                }
                Some(_) => tail.push_str(ATTRIBUTE),
                // Before the first piece stands nothing.
                None => {}
            }
            tail.push_str(piece);
        }
        (Self { lineage: self.lineage.clone(), tail: Bytes::from(tail) }, changed)
    }

    /// The state with this serial, in pieces.
    pub(crate) fn with_serial(&self, serial: u64) -> [Bytes; 2] {
        [Bytes::from(head(serial, &self.lineage)), self.tail.clone()]
    }

    /// The state with this serial, in one piece.
    pub(crate) fn whole(&self, serial: u64) -> Bytes {
        Bytes::from(self.with_serial(serial).concat())
    }
}

fn head(serial: u64, lineage: &str) -> String {
    format!(
        "{{\n  \"version\": 4,\n  \"terraform_version\": \"1.12.6\",\n  \"serial\": {serial},\n  \
         \"lineage\": \"{lineage}\",\n  \"outputs\": {{}},\n  \"resources\": ["
    )
}

/// One of the kinds of resources that most states are made of.
fn resource(number: usize, random: &mut Random) -> Value {
    let (kind, attributes) = match number % 3 {
        0 => ("aws_instance", instance(number, random)),
        1 => ("aws_security_group", security_group(number, random)),
        _ => ("aws_iam_role", role(number, random)),
    };
    json!({
        "mode": "managed",
        "type": kind,
        "name": format!("{}_{number}", random.pick(&["web", "worker", "ingest", "gateway", "batch"])),
        "provider": "provider[\"registry.example/hashicorp/aws\"]",
        "instances": [{
            "schema_version": 1,
            "attributes": attributes,
            "sensitive_attributes": [],
            "private": format!("eyJzY2hlbWFfdmVyc2lvbiI6IjEiLCJ0aW1lb3V0cyI6{}", random.hex(32)),
            "dependencies": ["aws_vpc.main", format!("aws_subnet.private_{}", number % 6)],
        }],
    })
}

fn instance(number: usize, random: &mut Random) -> Value {
    let (account, id) = (account(), format!("i-{}", random.hex(17)));
    json!({
        "ami": format!("ami-{}", random.hex(17)),
        "arn": format!("arn:aws:ec2:eu-central-1:{account}:instance/{id}"),
        "associate_public_ip_address": false,
        "availability_zone": format!("eu-central-1{}", random.pick(&["a", "b", "c"])),
        "ebs_optimized": true,
        "iam_instance_profile": format!("profile-{number}"),
        "id": id,
        "instance_type": random.pick(&["m6i.large", "m6i.xlarge", "c7g.large", "t4g.medium"]),
        "private_dns": format!("ip-10-{}-{}-{}.eu-central-1.compute.internal", random.byte(), random.byte(), random.byte()),
        "private_ip": format!("10.{}.{}.{}", random.byte(), random.byte(), random.byte()),
        "root_block_device": [{"delete_on_termination": true, "encrypted": true, "iops": 3000,
            "volume_id": format!("vol-{}", random.hex(17)), "volume_size": 20 + number % 80, "volume_type": "gp3"}],
        "subnet_id": format!("subnet-{}", random.hex(17)),
        "tags": {"Environment": random.pick(&["production", "staging"]), "Name": format!("node-{number:05}")},
        "user_data": random.hex(40),
        "vpc_security_group_ids": [format!("sg-{}", random.hex(17)), format!("sg-{}", random.hex(17))],
    })
}

fn security_group(number: usize, random: &mut Random) -> Value {
    let id = format!("sg-{}", random.hex(17));
    let rule = |random: &mut Random, port: u16| {
        json!({"cidr_blocks": [format!("10.{}.0.0/16", random.byte())], "description": "", "from_port": port,
            "ipv6_cidr_blocks": [], "protocol": "tcp", "security_groups": [], "self": false, "to_port": port})
    };
    json!({
        "arn": format!("arn:aws:ec2:eu-central-1:{}:security-group/{id}", account()),
        "description": "Managed by Terraform",
        "egress": [rule(random, 443)],
        "id": id,
        "ingress": [rule(random, 443), rule(random, 8443), rule(random, 9090)],
        "name": format!("group-{number:05}"),
        "owner_id": account(),
        "tags": null,
        "vpc_id": format!("vpc-{}", random.hex(17)),
    })
}

fn role(number: usize, random: &mut Random) -> Value {
    let name = format!("role-{number:05}-{}", random.hex(6));
    json!({
        "arn": format!("arn:aws:iam::{}:role/{name}", account()),
        "assume_role_policy": "{\"Statement\":[{\"Action\":\"sts:AssumeRole\",\"Effect\":\"Allow\",\
            \"Principal\":{\"Service\":\"ec2.amazonaws.com\"}}],\"Version\":\"2012-10-17\"}",
        "create_date": format!("2026-{:02}-{:02}T{:02}:{:02}:00Z", 1 + number % 12, 1 + number % 28, number % 24, number % 60),
        "id": name,
        "max_session_duration": 3600,
        "name": name,
        "unique_id": format!("AROA{}", random.hex(16).to_uppercase()),
    })
}

fn account() -> &'static str {
    "123456789012"
}

/// A small generator (xorshift64): the same states in every run, and values that vary.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u64 {
        self.next() >> 56
    }

    fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.next()));
        }
        text.truncate(digits);
        text
    }

    fn uuid(&mut self) -> String {
        format!("{}-{}-4{}-a{}-{}", self.hex(8), self.hex(4), self.hex(3), self.hex(3), self.hex(12))
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        let count = from.len().max(1) as u64;
        usize::try_from((self.next() >> 33) % count).ok().and_then(|at| from.get(at).copied()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_differ_in_as_many_resources_as_is_said() {
        let states = States::new(100_000, 7);
        let resources = |states: &States| {
            let state: Value = serde_json::from_slice(&states.whole(1)).unwrap();
            state["resources"].as_array().unwrap().clone()
        };
        let old = resources(&states);
        let all = old.iter().filter(|resource| resource["type"] == "aws_instance").count();
        for step in [1, 5] {
            let (other, changed) = states.changed(step);
            let new = resources(&other);
            let differ = old.iter().zip(&new).filter(|(old, new)| old != new).count();
            assert_eq!((new.len(), differ, changed), (old.len(), changed, all.div_ceil(step)));
        }
    }

    #[test]
    fn states_have_the_size_and_the_form() {
        for bytes in [2_000, 20_000, 800_000] {
            let states = States::new(bytes, 7);
            let text = states.whole(42);
            assert!(text.len() <= bytes.max(3_000) && text.len() > bytes / 2, "{bytes}: {}", text.len());
            let state: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(state["serial"], 42);
            assert_eq!(states.whole(42), States::new(bytes, 7).whole(42));
            let names = state["resources"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap());
            assert_eq!(names.clone().collect::<std::collections::BTreeSet<_>>().len(), names.count());
        }
    }
}
