//! What a step has asked of the network, as its proxy has decided it.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::context::{Context, Done, RunError};
use crate::base::text::{capped, one_line};
use crate::domain::ladder::PlannedStep;
use crate::ports::fs;
use crate::ports::proxy::{Decision, Entry, LONGEST_LOG};

/// So many of the hosts that were denied are named: in the step's log, and in a note.
const MOST_LOGGED: usize = 100;
const MOST_NAMED: usize = 3;

/// The file of a step's decisions.
pub(super) fn log(run: &Context<'_>, step: &PlannedStep) -> Utf8PathBuf {
    run.beside(step, "network.jsonl")
}

/// What the decisions come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traffic {
    allowed: usize,
    denied: usize,
    /// Each that was denied, and why.
    hosts: BTreeMap<String, String>,
}

impl Traffic {
    fn add(&mut self, line: &str) {
        let Ok(entry) = serde_json::from_str::<Entry>(line) else { return };
        match entry.decision {
            Decision::Allow => self.allowed += 1,
            Decision::Deny => {
                self.denied += 1;
                if self.hosts.len() < MOST_LOGGED {
                    self.hosts.insert(capped(&one_line(&entry.host), 120), entry.why.unwrap_or_default());
                }
            }
        }
    }

    /// In a line; nothing where nothing was asked for.
    fn said(&self, or_more: bool) -> Option<String> {
        let (allowed, denied) = (self.allowed, self.denied);
        let more = if or_more { " at least" } else { "" };
        match (allowed, denied) {
            (0, 0) => None,
            (_, 0) => Some(format!("{allowed} connections allowed{more}, none denied")),
            _ => {
                let named: Vec<&str> = self.hosts.keys().take(MOST_NAMED).map(String::as_str).collect();
                let rest = if self.hosts.len() > MOST_NAMED { ", …" } else { "" };
                Some(format!("{allowed} connections allowed, {denied} denied{more} ({}{rest})", named.join(", ")))
            }
        }
    }
}

/// Adds to a step what it has asked of the network: a line in its log for each host that was denied, and a note.
pub(super) fn conclude(run: &Context<'_>, step: &PlannedStep, done: &mut Done) -> Result<(), RunError> {
    let path = log(run, step);
    let Some(size) = fs::size(&path) else { return Ok(()) };
    let mut traffic = Traffic::default();
    fs::each_line(&path, |line| traffic.add(line))?;
    let lines: String = traffic.hosts.iter().map(|(host, why)| format!("network: DENY {host}: {why}\n")).collect();
    fs::append_bytes(&run.log(step), lines.as_bytes())?;
    done.notes.extend(traffic.said(size >= LONGEST_LOG).map(|said| format!("{}: network: {said}", step.name)));
    Ok(())
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
        assert_eq!(all.said(false).unwrap(), "1 connections allowed, 5 denied (a:443, b:443, c:1, …)");
        assert_eq!(traffic(&[("ALLOW", "x:443")]).said(false).unwrap(), "1 connections allowed, none denied");
        assert_eq!(traffic(&[]).said(false), None);
    }

    #[test]
    fn what_a_client_asked_for_stays_one_line_and_short() {
        let long = format!("a\\n\\u001b[31m{}", "b".repeat(300));
        let all = traffic(&[("DENY", &long)]);
        let host = all.hosts.keys().next().unwrap();
        assert!(host.len() <= 123 && !host.contains(['\n', '\u{1b}']), "{host:?}");
    }
}
