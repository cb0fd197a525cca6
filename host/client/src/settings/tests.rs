//! Settings from flags and variables.

use super::*;

fn read(flags: &Flags, variables: &[(&str, &str)]) -> Result<Settings, Error> {
    let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
    Settings::read(flags, &find)
}

fn server(address: &str) -> Flags {
    Flags { server: Some(address.to_owned()), ..Flags::default() }
}

#[test]
fn a_path_below_the_server_and_its_lock() {
    let settings = read(&server("https://states.example.com/behind"), &[]).unwrap();
    let place = settings.place(Some("/platform/network")).unwrap();
    assert_eq!(place.path, "platform/network");
    assert_eq!(place.state.as_str(), "https://states.example.com/behind/platform/network");
    assert_eq!((place.lock.0.as_str(), place.unlock.0.as_str()), ("LOCK", "UNLOCK"));
    assert_eq!(place.lock.1, place.state);
}

#[test]
fn the_state_and_the_server_that_the_cli_knows() {
    let variables = [
        (ADDRESS, "https://states.example.com/platform/network?x=1"),
        (LOCK_ADDRESS, "https://states.example.com/-/lock/platform/network"),
        (UNLOCK_ADDRESS, "https://states.example.com/-/lock/platform/network"),
        (LOCK_METHOD, "POST"),
        (UNLOCK_METHOD, "DELETE"),
    ];
    let settings = read(&Flags::default(), &variables).unwrap();
    let own = settings.place(None).unwrap();
    assert_eq!(
        (own.path.as_str(), own.lock.0.as_str(), own.lock.1.path()),
        ("platform/network", "POST", "/-/lock/platform/network")
    );
    let other = settings.place(Some("team/app")).unwrap();
    assert_eq!(other.state.as_str(), "https://states.example.com/team/app");
    assert_eq!((other.unlock.0.as_str(), other.unlock.1.path()), ("DELETE", "/-/lock/team/app"));
}

#[test]
fn what_is_wrong_is_said() {
    let said = |flags: &Flags, variables: &[(&str, &str)]| match read(flags, variables) {
        Ok(_) => panic!("it is taken"),
        Err(error) => error.to_string(),
    };
    assert!(said(&Flags::default(), &[]).contains("which server"));
    assert!(said(&server("states.example.com"), &[]).contains("no address"));
    assert!(said(&server("ftp://x/"), &[]).contains("http://"));
    let leaking = said(&server("https://ci:hunter2@x/"), &[]);
    assert!(leaking.contains("credentials") && !leaking.contains("hunter2"), "{leaking}");
    assert!(said(&server("http://x"), &[(CERTIFICATE, "pem")]).contains("belong together"));
    let settings = read(&server("http://x"), &[]).unwrap();
    assert!(settings.place(None).unwrap_err().to_string().contains("which state"));
    for bad in ["", "a//b", "../a", "a/.lock", "-/v1/states", "a b"] {
        assert!(settings.place(Some(bad)).is_err(), "{bad}");
    }
}
