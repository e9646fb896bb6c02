//! The hosts that a contract names are reached through the harness's proxy and no others; what was let through and what not is on
//! record.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Facts, Repo, has_bubblewrap, skipped};

const MANIFEST: &str = "[package]\nname = \"client\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";

/// What every test within has at hand.
const HEAD: &str = r#"
use std::io::{Read, Write};
use std::net::TcpStream;

fn proxy() -> TcpStream {
    let address = std::env::var("HTTPS_PROXY").unwrap();
    for name in ["HTTP_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy", "CARGO_HTTP_PROXY"] {
        assert_eq!(std::env::var(name).as_ref(), Ok(&address), "{name}");
    }
    assert!(std::env::var("NO_PROXY").unwrap().contains("localhost"));
    TcpStream::connect(address.strip_prefix("http://").unwrap()).unwrap()
}

/// What the proxy answers to a head, up to its end.
fn ask(head: &str) -> String {
    let mut stream = proxy();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn denied(head: &str, code: &str) {
    let answer = ask(head);
    assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{head:?}: {answer:?}");
}
"#;

/// A server on the host's loopback interface, which answers every connection with what it was asked.
struct Echo {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Echo {
    fn start() -> Echo {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&asked);
        // It ends with the test's process: there is nobody left whom it could disturb.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    let length = stream.read(&mut buffer).unwrap_or(0);
                    let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\necho: ");
                    let _ = stream.write_all(&buffer[..length]);
                });
            }
        });
        Echo { address, asked }
    }

    fn connections(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A repository with these tests, whose contract names these hosts.
fn client(hosts: &[String], tests: &str) -> Repo {
    let repo = Repo::empty();
    repo.write("Cargo.toml", MANIFEST)
        .write("src/lib.rs", &format!("//! A client.\n#![allow(dead_code)]\n{HEAD}\n{tests}"));
    repo.write("Harness.toml", &format!("[sandbox]\nnetwork = {hosts:?}\n"));
    repo
}

fn run(repo: &Repo, sandbox: &str) -> Facts {
    repo.facts(&["run", "--mode", "full", "--step", "unit", "--no-cache", sandbox])
}

/// The decisions on record, each with how often it was made.
fn decisions(repo: &Repo) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for line in repo.read("target/harness/latest/1-unit.network.jsonl").lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        *all.entry(format!("{} {} {}", text("decision"), text("method"), text("host"))).or_default() += 1;
    }
    all
}

fn cannot_be_tested() -> bool {
    if has_bubblewrap() {
        return false;
    }
    assert!(std::env::var("CI").is_err(), "CI promises bubblewrap");
    skipped("the proxy of the whole sandbox: bubblewrap is missing or may not make namespaces");
    true
}

#[test]
fn a_named_host_is_reached_through_the_proxy_and_nothing_else_is() {
    if cannot_be_tested() {
        return;
    }
    let (named, other) = (Echo::start(), Echo::start());
    let tests = format!(
        r#"
#[test]
fn a_tunnel_carries_bytes_both_ways() {{
    let mut stream = proxy();
    stream.write_all(b"CONNECT {named} HTTP/1.1\r\nHost: {named}\r\n\r\n").unwrap();
    let mut head = [0; 39];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 Connection established\r\n\r\n");
    stream.write_all(b"through the tunnel").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("echo: through the tunnel"), "{{answer:?}}");
}}

#[test]
fn a_get_is_passed_on_once_and_what_follows_it_is_not() {{
    let answer = ask("GET http://{named}/a HTTP/1.1\r\nHost: {named}\r\nConnection: keep-alive\r\n\r\nGET http://{other}/ HTTP/1.1\r\n\r\n");
    let asked = "GET /a HTTP/1.1\r\nHost: {named}\r\nConnection: close\r\n\r\n";
    assert!(answer.ends_with(&format!("echo: {{asked}}")), "{{answer:?}}");
}}

#[test]
fn another_port_is_denied() {{
    denied("CONNECT {other} HTTP/1.1\r\n\r\n", "403");
    denied("GET http://{other}/ HTTP/1.1\r\n\r\n", "403");
}}

#[test]
fn other_names_of_the_address_are_denied() {{
    for host in ["localhost:{port}", "LOCALHOST.:{port}", "127.0.0.2:{port}", "[::1]:{port}", "example.org:443"] {{
        denied(&format!("CONNECT {{host}} HTTP/1.1\r\n\r\n"), "403");
    }}
}}

#[test]
fn odd_forms_of_the_address_are_no_requests() {{
    for host in ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.01"] {{
        denied(&format!("CONNECT {{host}}:{port} HTTP/1.1\r\n\r\n"), "400");
    }}
}}

#[test]
fn smuggled_requests_are_no_requests() {{
    denied("GET http://{named}@{other}/ HTTP/1.1\r\n\r\n", "400");
    denied("GET http://{named}/ HTTP/1.1\r\nHost: {other}\r\n\r\n", "400");
    denied("GET http://{named}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400");
    denied("GET http://{named}/ HTTP/1.1\nHost: {other}\r\n\r\n", "400");
    denied("POST http://{named}/ HTTP/1.1\r\n\r\n", "400");
    denied(&format!("GET http://{named}/ HTTP/1.1\r\nX: {{}}\r\n\r\n", "x".repeat(9000)), "400");
}}

#[test]
fn direct_connections_fail() {{
    assert!(TcpStream::connect("{named}").is_err());
    assert!(TcpStream::connect("1.1.1.1:443").is_err());
    assert!(std::net::ToSocketAddrs::to_socket_addrs("example.org:443").is_err());
}}

#[test]
fn more_connections_than_there_are_slots_are_all_served() {{
    let clients: Vec<_> = (0..100).map(|_| std::thread::spawn(|| denied("CONNECT flood:443 HTTP/1.1\r\n\r\n", "403"))).collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
}}
"#,
        named = named.address,
        other = other.address,
        port = named.address.port(),
    );
    let repo = client(&[named.address.to_string()], &tests);
    let facts = run(&repo, "--sandbox=required");
    assert_eq!((facts.code, facts.counts().as_str()), (0, "8 passed, 0 failed, 0 skipped"), "{facts:#?}");
    assert_eq!((named.connections(), other.connections()), (2, 0));
    let decisions = decisions(&repo);
    let times = |what: &str| decisions.get(what).copied().unwrap_or_default();
    let address = named.address;
    assert_eq!(
        (times(&format!("ALLOW CONNECT {address}")), times(&format!("ALLOW GET {address}"))),
        (1, 1),
        "{decisions:#?}"
    );
    assert_eq!((times(&format!("DENY CONNECT {}", other.address)), times("DENY CONNECT flood:443")), (1, 100));
    assert_eq!(decisions.values().sum::<usize>(), 2 + 2 + 5 + 5 + 6 + 100, "{decisions:#?}");
    let notes = facts.notes();
    let note = notes.iter().find(|note| note.starts_with("unit: network: ")).unwrap_or_else(|| panic!("{notes:?}"));
    assert!(note.starts_with("unit: network: 2 connections allowed, 118 denied ("), "{note}");
    let log = repo.read("target/harness/latest/1-unit.log");
    assert!(log.contains("network: DENY example.org:443: not named in sandbox.network\n"), "{log}");
    let record: serde_json::Value = serde_json::from_str(&repo.read("target/harness/latest/run.json")).unwrap();
    assert_eq!(record["sandbox"]["properties"]["network"]["by"], "network namespace, proxy");
    repo.none_is_left();
}

#[test]
fn a_failure_for_want_of_the_network_names_what_would_let_it_through() {
    if cannot_be_tested() {
        return;
    }
    let tests =
        "#[test]\nfn denied_host() {\n    denied(\"CONNECT crates.example:443 HTTP/1.1\\r\\n\\r\\n\", \"200\");\n}\n";
    let facts = run(&client(&["a.example".to_owned()], tests), "--sandbox=required");
    let hint =
        "unit: it was denied a host: `sandbox.network = [\"crates.example\"]` of the contract would let it through";
    assert!(facts.code == 1 && facts.notes().iter().any(|note| note == hint), "{facts:#?}");
    let repo = Repo::from_fixture("green");
    let words = "curl: (6) Could not resolve host: crates.example";
    let step = format!(
        "tiers.0 = [\"get\"]\n[steps.get]\nuses = \"command\"\nrun = [\"sh\", \"-c\", \"echo '{words}'; exit 6\"]\n"
    );
    repo.write("Harness.toml", &step);
    let notes = |sandbox: &str| repo.facts(&["run", "--tier", "0", sandbox]).notes();
    let hint = format!(
        "get: it fails for want of the network ({words}): `sandbox.network = [\"crates.example\"]` of the contract would let it through"
    );
    assert!(notes("--sandbox=required").contains(&hint), "{:?}", notes("--sandbox=required"));
    assert!(!notes("--sandbox=off").iter().any(|note| note.contains("sandbox.network")));
}

#[test]
fn a_verdict_that_rests_on_a_host_is_not_given_again() {
    if cannot_be_tested() {
        return;
    }
    let named = Echo::start();
    let address = named.address;
    let tests =
        format!("#[test]\nfn asks() {{\n    denied(\"GET http://{address}/ HTTP/1.1\\r\\n\\r\\n\", \"\");\n}}\n");
    let repo = client(&[address.to_string()], &tests.replace("denied(", "ask(").replace(", \"\")", ")"));
    repo.write(".gitignore", "/target\n").git_init();
    for round in 1..=2 {
        let facts = repo.facts(&["run", "--tier", "1", "--sandbox=required"]);
        assert_eq!((facts.code, named.connections()), (0, round), "{facts:#?}");
    }
}
