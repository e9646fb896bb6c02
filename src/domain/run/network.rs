//! What a step has asked of the network, as its proxy has decided it, and what of the contract would let it through.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::context::{Context, Done, RunError, counted};
use crate::base::AllowedHost;
use crate::base::text::{capped, one_line};
use crate::domain::ladder::PlannedStep;
use crate::domain::record::Failure;
use crate::ports::fs;
use crate::ports::proxy::{Decision, Entry, LONGEST_LOG};

/// So many of the hosts that were denied are named: in the step's log, and in a note.
const MOST_LOGGED: usize = 100;
const MOST_NAMED: usize = 3;

/// How much of a log is read from either end.
const READ: u64 = 64 << 10;

/// The file of a step's decisions.
pub(super) fn log(run: &Context<'_>, step: &PlannedStep) -> Utf8PathBuf {
    run.beside(step, "network.jsonl")
}

/// Why a host was denied, and what of it would have to be named: itself, or the address that it leads to.
#[derive(Debug, PartialEq, Eq)]
struct Denied {
    why: String,
    place: String,
}

/// What the decisions come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traffic {
    allowed: usize,
    denied: usize,
    /// Each that was denied.
    hosts: BTreeMap<String, Denied>,
}

impl Traffic {
    fn add(&mut self, line: &str) {
        let Ok(entry) = serde_json::from_str::<Entry>(line) else { return };
        match entry.decision {
            Decision::Allow => self.allowed += 1,
            Decision::Deny => {
                self.denied += 1;
                if self.hosts.len() < MOST_LOGGED {
                    let host = capped(&one_line(&entry.host), 120);
                    let place = entry.address.unwrap_or_else(|| host.clone());
                    self.hosts.insert(host, Denied { why: entry.why.unwrap_or_default(), place });
                }
            }
        }
    }

    /// In a line; nothing where nothing was asked for.
    fn said(&self, or_more: bool) -> Option<String> {
        let (allowed, denied) = (counted(self.allowed, "connection"), self.denied);
        let more = if or_more { " at least" } else { "" };
        match (self.allowed, denied) {
            (0, 0) => None,
            (_, 0) => Some(format!("{allowed} allowed{more}, none denied")),
            _ => {
                let named: Vec<&str> = self.hosts.keys().take(MOST_NAMED).map(String::as_str).collect();
                let rest = if self.hosts.len() > MOST_NAMED { ", …" } else { "" };
                Some(format!("{allowed} allowed, {denied} denied{more} ({}{rest})", named.join(", ")))
            }
        }
    }
}

/// Adds to a step what it has asked of the network: a line in its log for each host that was denied, and a note; where it has failed for
/// want of the network, what would let it through.
pub(super) fn conclude(run: &Context<'_>, step: &PlannedStep, done: &mut Done) -> Result<(), RunError> {
    let path = log(run, step);
    let mut traffic = Traffic::default();
    // Looked for before the lines of the harness's own are added.
    let want = if run.sandbox.holds_network() { want(run, step, &done.failures) } else { None };
    if let Some(size) = fs::size(&path) {
        fs::each_line(&path, |line| traffic.add(line))?;
        let lines: String =
            traffic.hosts.iter().map(|(host, denied)| format!("network: DENY {host}: {}\n", denied.why)).collect();
        fs::append_bytes(&run.log(step), lines.as_bytes())?;
        done.notes.extend(traffic.said(size >= LONGEST_LOG).map(|said| format!("{}: network: {said}", step.name)));
    }
    if traffic.allowed > 0 {
        run.footing.rest_on_network();
    }
    let denied =
        traffic.hosts.values().find_map(|denied| entry_for(&denied.place)).filter(|_| !done.failures.is_empty());
    let hint = match (denied, want) {
        (Some(entry), _) => Some(format!("it was denied a host: {}", key_for(&entry))),
        (None, Some(Want { line, host })) => {
            let key = key_for(host.as_deref().unwrap_or("HOST"));
            Some(format!("it fails for want of the network ({line}): {key}"))
        }
        (None, None) => None,
    };
    done.notes.extend(hint.map(|hint| format!("{}: {hint}", step.name)));
    Ok(())
}

fn key_for(entry: &str) -> String {
    format!("`sandbox.network = [\"{entry}\"]` of the contract would let it through")
}

/// How the contract would name what was asked for; nothing where it is no host.
fn entry_for(place: &str) -> Option<String> {
    let (host, port) = place.rsplit_once(':')?;
    let entry = if matches!(port, "80" | "443") { host } else { place };
    entry.parse::<AllowedHost>().is_ok().then(|| entry.to_owned())
}

/// That something needs the network, as it says itself.
#[derive(Debug, PartialEq, Eq)]
struct Want {
    line: String,
    /// As the contract would name it.
    host: Option<String>,
}

/// What the failures of a step, or else its log, say.
fn want(run: &Context<'_>, step: &PlannedStep, failures: &[Failure]) -> Option<Want> {
    let in_failures =
        || failures.iter().find_map(|failure| wanting(&failure.excerpt).or_else(|| wanting(&failure.message)));
    let in_log = || wanting(&fs::head_and_tail(&run.log(step), READ).map(|(head, _, tail)| head + "\n" + &tail).ok()?);
    if failures.is_empty() { None } else { in_failures().or_else(in_log) }
}

/// What programs say when they can't reach a host, in lower case. Refused connections are none of it: within a cage they are refused by
/// its own loopback interface alone.
const SIGNS: [&str; 9] = [
    "could not resolve host",
    "couldn't resolve host",
    "failed to lookup address information",
    "name or service not known",
    "temporary failure in name resolution",
    "network is unreachable",
    "no route to host",
    "getaddrinfo enotfound",
    "nodename nor servname provided",
];

/// The first line that says so, with the host where it names one.
fn wanting(text: &str) -> Option<Want> {
    let says = |line: &&str| {
        let low = line.to_ascii_lowercase();
        // The harness's own lines quote commands.
        !line.starts_with("$ ") && SIGNS.iter().any(|sign| low.contains(sign))
    };
    let line = text.lines().find(says)?;
    let words = line.split(|c: char| c.is_whitespace() || "'\"`(),;<>/@".contains(c));
    let is_host =
        |word: &&str| word.contains('.') && word.parse::<AllowedHost>().is_ok() && word.contains(char::is_alphabetic);
    let word = words.map(|word| word.trim_end_matches([':', '.'])).find(is_host);
    Some(Want {
        line: capped(&one_line(line.trim()), 120),
        host: word.map(|word| entry_for(word).unwrap_or_else(|| word.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(decisions: &[(&str, &str)]) -> Traffic {
        let mut traffic = Traffic::default();
        for (decision, host) in decisions {
            traffic.add(&format!(
                "{{\"at\":\"x\",\"decision\":\"{decision}\",\"method\":\"CONNECT\",\"host\":\"{host}\",\"why\":\"no\"}}"
            ));
        }
        traffic
    }

    #[test]
    fn connections_are_counted_and_the_denied_hosts_named() {
        let denied = ["b:443", "a:443", "b:443", "c:1", "d:1"].map(|host| ("DENY", host));
        let all = traffic(&[&[("ALLOW", "x:443")][..], &denied[..]].concat());
        assert_eq!(all.said(false).unwrap(), "1 connection allowed, 5 denied (a:443, b:443, c:1, …)");
        assert_eq!(traffic(&[("ALLOW", "x:443")]).said(false).unwrap(), "1 connection allowed, none denied");
        assert_eq!(traffic(&[]).said(false), None);
    }

    #[test]
    fn of_a_name_that_leads_to_a_private_address_the_address_has_to_be_named() {
        let mut all = Traffic::default();
        all.add(r#"{"at":"x","decision":"DENY","method":"CONNECT","host":"a.example:443","address":"10.0.0.1:443","why":"no"}"#);
        assert_eq!(entry_for(&all.hosts["a.example:443"].place).as_deref(), Some("10.0.0.1"));
    }

    #[test]
    fn what_a_client_asked_for_stays_one_line_and_short() {
        let long = format!("a\\n\\u001b[31m{}", "b".repeat(300));
        let all = traffic(&[("DENY", &long)]);
        let host = all.hosts.keys().next().unwrap();
        assert!(host.len() <= 123 && !host.contains(['\n', '\u{1b}']), "{host:?}");
    }

    #[test]
    fn what_cannot_reach_a_host_is_known_by_what_it_says() {
        for (text, host) in [
            ("x\ncurl: (6) Could not resolve host: crates.example\ny", Some("crates.example")),
            (
                "fatal: unable to access 'https://git.example/a.git/': Could not resolve host: git.example",
                Some("git.example"),
            ),
            ("ssh: Could not resolve hostname git.example: Name or service not known", Some("git.example")),
            ("Could not resolve host: registry.example:8443", Some("registry.example:8443")),
            ("error: failed to lookup address information: Temporary failure in name resolution", None),
            ("Os { code: 101, kind: NetworkUnreachable, message: \"Network is unreachable\" }", None),
            ("connect to 10.1.2.3 port 22: No route to host", None),
        ] {
            let want = wanting(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(want.host.as_deref(), host, "{text}");
        }
        for text in ["", "Connection refused (os error 111)", "the network of names", "assertion failed: left == right"]
        {
            assert_eq!(wanting(text), None, "{text}");
        }
    }

    #[test]
    fn a_denied_place_is_named_as_the_contract_would_name_it() {
        let entries =
            ["a.example:443", "a.example:80", "a.example:22", "[::1]:443", "http://a/ HTTP/1.1", ""].map(entry_for);
        let entries: Vec<Option<&str>> = entries.iter().map(Option::as_deref).collect();
        assert_eq!(entries, [Some("a.example"), Some("a.example"), Some("a.example:22"), Some("[::1]"), None, None]);
    }
}
