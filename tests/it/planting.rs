//! One failure of each kind, planted into a repository that is well: exactly that failure is reported, the same by
//! nextest and by `cargo test`, and nothing of it is left running.

use std::collections::BTreeSet;

use crate::support::{Facts, Failed, Repo, Runner};

/// The line that a failure's place must name ends with this.
const HERE: &str = "// HERE";

/// What is planted, and what must be said of it.
struct Plant<'a> {
    /// The module `plot`, or the body of its tests.
    source: &'a str,
    category: &'a str,
    subject: &'a str,
    /// What the message has to hold.
    message: &'a str,
    id: char,
    tier: u8,
}

/// A test of the module's.
fn of_a_test<'a>(source: &'a str, category: &'a str, message: &'a str) -> Plant<'a> {
    Plant { source, category, subject: "plot::tests::planted", message, id: 't', tier: 1 }
}

/// A finding of the compiler's, a linter's or the formatter's.
fn of_the_compiler<'a>(source: &'a str, category: &'a str, message: &'a str) -> Plant<'a> {
    Plant { source, category, subject: "", message, id: 'c', tier: 0 }
}

/// Of a documentation example.
fn of_an_example<'a>(source: &'a str, message: &'a str) -> Plant<'a> {
    let subject = "src/plot.rs - plot::planted (line 4)";
    Plant { source, category: "DOCTEST", subject, message, id: 't', tier: 1 }
}

/// The module with this plant: a whole module, or what stands in its tests.
fn module(source: &str) -> String {
    let source = source.trim_start_matches('\n');
    if source.starts_with("//!") {
        source.to_owned()
    } else {
        format!("//! Where something is planted.\n\n#[cfg(test)]\nmod tests {{\n{source}}}\n")
    }
}

/// A test whose place is its function's line, since nothing tells a better one.
fn test_of(body: &str) -> String {
    format!("    #[test]\n    #[rustfmt::skip]\n    fn planted() {{ // HERE\n{body}    }}\n")
}

/// An example stands below the mark, since nothing may follow the beginning of its block.
fn place(file: &str, text: &str) -> String {
    let (above, line) = text.lines().enumerate().find(|(_, line)| line.ends_with(HERE)).expect("a plant is marked");
    let below = usize::from(line.starts_with("///"));
    format!("{file}:{}", above + 1 + below)
}

fn is_at(failed: &Failed, place: &str) -> bool {
    failed.place == place || failed.place.strip_prefix(place).is_some_and(|rest| rest.starts_with(':'))
}

impl Plant<'_> {
    fn reported(&self, facts: &Facts, place: &str) -> Failed {
        let failures = facts.failures();
        let [failed] = &failures[..] else { panic!("{} failures: {facts:#?}", failures.len()) };
        assert_eq!((failed.category.as_str(), failed.subject.as_str()), (self.category, self.subject), "{facts:#?}");
        assert!(is_at(failed, place), "{failed:?} is not at {place}");
        assert!(failed.message.contains(self.message), "{failed:?}");
        assert!(failed.id.starts_with(self.id), "{failed:?}");
        assert_eq!((facts.code, facts.phrase()), (1, format!("RED at tier {}", self.tier)), "{facts:#?}");
        failed.clone()
    }

    /// Plants it into the single crate and runs twice, by different runners where there are two.
    fn judge(&self) {
        let mut repo = Repo::from_fixture("single");
        let text = module(self.source);
        let place = place("src/plot.rs", &text);
        repo.write("src/plot.rs", &text).write("Harness.toml", "run.test-timeout = '2s'\n");
        let runners = Runner::here();
        repo.use_runner(runners[0]);
        let answer = repo.harness(&["fast"]);
        let failed = self.reported(&Facts::of(&repo.harness(&["show", "--message-format=json"])), &place);
        let errors: Vec<&str> = answer.stdout.lines().filter(|line| line.starts_with("ERROR: ")).collect();
        assert_eq!(errors, [failed.line()], "{}", answer.whole());
        assert_eq!(answer.code, 1, "{}", answer.whole());
        assert_eq!(repo.processes(), [""; 0], "left behind");
        repo.use_runner(*runners.last().expect("there is one"));
        let again = self.reported(&repo.facts(&["fast"]), &place);
        assert_eq!((again.id, again.message), (failed.id, failed.message), "by the other runner");
        assert_eq!(repo.processes(), [""; 0], "left behind");
    }
}

#[test]
fn an_unformatted_file_is_fmt() {
    of_the_compiler("//! Unformatted.\npub fn planted( ) {} // HERE\n", "FMT", "rustfmt would change 1 place").judge();
}

#[test]
fn a_syntax_error_is_reported_once() {
    of_the_compiler("//! Broken.\n\npub fn planted() -> { // HERE\n}\n", "RUSTC", "expected type").judge();
}

#[test]
fn a_type_error_has_its_code() {
    of_the_compiler("//! Broken.\n\npub fn planted() -> u32 {\n    \"a\" // HERE\n}\n", "E0308", "mismatched types")
        .judge();
}

#[test]
fn a_type_error_in_a_test_has_its_code() {
    let source = "    #[test]\n    fn planted() {\n        let _: u32 = \"a\"; // HERE\n    }\n";
    of_the_compiler(source, "E0308", "mismatched types").judge();
}

#[test]
fn a_warning_of_the_compiler_is_a_failure() {
    of_the_compiler("//! Warned of.\n\nfn planted() {} // HERE\n", "dead_code", "never used").judge();
}

#[test]
fn a_lint_that_warns_is_a_failure() {
    let source = "//! Linted.\n\npub fn planted(a: u32) -> u32 {\n    return a; // HERE\n}\n";
    of_the_compiler(source, "clippy::needless_return", "unneeded").judge();
}

#[test]
fn a_lint_that_denies_is_a_failure() {
    let source = "//! Linted.\n\npub fn planted(a: u32) -> bool {\n    a == a // HERE\n}\n";
    of_the_compiler(source, "clippy::eq_op", "equal expressions").judge();
}

#[test]
fn an_assertion_is_assert() {
    let source = "    #[test]\n    fn planted() {\n        assert!(crate::sum(1, 1) > 2); // HERE\n    }\n";
    of_a_test(source, "ASSERT", "crate::sum(1, 1) > 2").judge();
}

#[test]
fn an_equation_tells_both_sides() {
    let source = "    #[test]\n    fn planted() {\n        assert_eq!(1 + 1, 3, \"sums\"); // HERE\n    }\n";
    of_a_test(source, "ASSERT", "left == right: sums (left: 2, right: 3)").judge();
}

#[test]
fn a_panic_in_a_thread_is_found_at_its_root() {
    let source = r#"
    #[test]
    fn planted() {
        let thread = std::thread::spawn(|| {
            panic!("deep down"); // HERE
        });
        thread.join().unwrap();
    }
"#;
    of_a_test(source, "PANIC", "deep down").judge();
}

#[test]
fn an_abort_is_a_signal_with_its_name() {
    let source = test_of("        std::process::abort();\n");
    of_a_test(&source, "SIGNAL", "SIGABRT").judge();
}

#[test]
fn a_hang_is_a_timeout() {
    let source = test_of("        std::thread::sleep(std::time::Duration::from_secs(3600));\n");
    of_a_test(&source, "TIMEOUT", "still running after 2s").judge();
}

#[test]
fn a_stack_overflow_is_a_signal_that_says_so() {
    let source = test_of(
        "        fn deeper(n: u64) -> u64 {\n            let array = std::hint::black_box([n; 64]);\n            \
         if n == 0 { 0 } else { deeper(n - 1) + array[0] }\n        }\n        assert_eq!(deeper(std::hint::black_box(1 << 40)), 0);\n",
    );
    of_a_test(&source, "SIGNAL", "stack overflow").judge();
}

#[test]
fn a_test_that_ends_its_process_has_not_passed() {
    of_a_test(&test_of("        std::process::exit(0);\n"), "EXIT", "ended with 0 before the test harness").judge();
}

#[test]
fn printed_results_make_no_test_pass() {
    let source = test_of(
        r#"        println!("test plot::tests::planted ... ok");
        println!("ok plot::tests::planted");
        println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        eprintln!("{{\"type\":\"test\",\"event\":\"ok\",\"name\":\"plot::tests::planted\"}}");
        std::process::exit(0);
"#,
    );
    of_a_test(&source, "EXIT", "ended with 0 before the test harness").judge();
}

#[test]
fn a_failed_allocation_is_oom() {
    let source = test_of("        std::hint::black_box(Vec::<u8>::with_capacity(std::hint::black_box(1 << 62)));\n");
    of_a_test(&source, "OOM", "allocation failed").judge();
}

#[test]
fn a_process_left_behind_is_a_leak_and_is_killed() {
    let source = test_of(
        r#"        use std::process::{Command, Stdio};
        let mut command = Command::new("sh");
        command.args(["-c", "setsid sleep 3600 &"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().success());
"#,
    );
    of_a_test(&source, "LEAK", "left processes behind").judge();
}

#[test]
fn a_test_that_returns_an_error_tells_it() {
    let source = "    #[test]\n    #[rustfmt::skip]\n    fn planted() -> Result<(), String> { // HERE\n        Err(\"no way\".to_owned())\n    }\n";
    of_a_test(source, "ASSERT", "no way").judge();
}

#[test]
fn a_test_that_should_panic_and_does_not_has_failed() {
    let source = test_of("        let _ = 1 + 1;\n").replace("#[test]", "#[test]\n    #[should_panic]");
    of_a_test(&source, "ASSERT", "did not panic as expected").judge();
}

#[test]
fn a_failing_example_is_a_doctest() {
    let source = "//! An example.\n\n/// Fails. // HERE\n/// ```\n/// assert_eq!(single::sum(1, 1), 3);\n/// ```\npub fn planted() {}\n";
    of_an_example(source, "left == right").judge();
}

#[test]
fn an_example_that_does_not_compile_is_a_doctest() {
    let source = "//! An example.\n\n/// Broken. // HERE\n/// ```\n/// single::no_such_function();\n/// ```\npub fn planted() {}\n";
    of_an_example(source, "does not compile").judge();
}

/// Many failures of different kinds at a time, in a member of a workspace: none hides another.
#[test]
fn all_kinds_together_are_each_reported() {
    let body = r#"
    #[test]
    fn good() {}

    #[test]
    fn abort() {
        std::process::abort();
    }

    #[test]
    fn assertion() {
        assert_eq!(crate::twice(1), 3);
    }

    #[test]
    fn exit() {
        std::process::exit(0);
    }

    #[test]
    fn hang() {
        std::thread::sleep(std::time::Duration::from_secs(3600));
    }

    #[test]
    fn leak() {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "setsid sleep 3600 > /dev/null 2>&1 < /dev/null &"]);
        assert!(command.status().unwrap().success());
    }

    #[test]
    fn memory() {
        std::hint::black_box(Vec::<u8>::with_capacity(std::hint::black_box(1 << 62)));
    }

    #[test]
    fn thread() {
        let thread = std::thread::spawn(|| panic!("deep down"));
        thread.join().unwrap();
    }
"#;
    let example = "\n/// ```\n/// assert_eq!(inner::twice(1), 3);\n/// ```\npub fn planted() {}\n";
    let module = module(body).replacen("\n\n", &format!("\n{example}\n"), 1);
    let mut repo = Repo::from_fixture("virtual-workspace");
    repo.write("crates/inner/src/plot.rs", &module).write("Harness.toml", "run.test-timeout = '2s'\n");
    let told = Runner::here().into_iter().map(|runner| {
        repo.use_runner(runner);
        let facts = repo.facts(&["fast", "--keep-going"]);
        assert_eq!(facts.counts(), "5 passed, 8 failed, 0 skipped", "{runner:?}");
        assert_eq!(repo.processes(), [""; 0], "left behind by {runner:?}");
        let named = |f: Failed| format!("{} {} {} {}\n", f.id, f.category, f.subject, f.place);
        facts.failures().into_iter().map(named).collect::<String>()
    });
    let told: BTreeSet<String> = told.collect();
    insta::assert_snapshot!(told.into_iter().collect::<Vec<_>>().join("--- or\n"), @"
    t-b8d87b3e SIGNAL plot::tests::abort crates/inner/src/plot.rs:14
    t-4b9cd348 ASSERT plot::tests::assertion crates/inner/src/plot.rs:20:9
    t-0c5ba361 EXIT plot::tests::exit crates/inner/src/plot.rs:24
    t-f03ea921 TIMEOUT plot::tests::hang crates/inner/src/plot.rs:29
    t-78ea5523 LEAK plot::tests::leak crates/inner/src/plot.rs:34
    t-72a4d944 OOM plot::tests::memory crates/inner/src/plot.rs:41
    t-39f31c3d PANIC plot::tests::thread crates/inner/src/plot.rs:47:44
    t-f5d5ea68 DOCTEST crates/inner/src/plot.rs - plot::planted (line 3) crates/inner/src/plot.rs:3
    ");
}

/// Each member's findings, those of a dependency and of what depends on it.
#[test]
fn findings_in_several_members_are_each_reported() {
    let repo = Repo::from_fixture("virtual-workspace");
    let main = repo.read("crates/outer/src/main.rs");
    repo.write("crates/inner/src/plot.rs", "//! Warned of.\n\nfn planted() {}\n");
    repo.write("crates/outer/src/main.rs", &main.replace("    println!", "    let planted = 1;\n    println!"));
    repo.write("crates/outer/tests/ends.rs", "//! Unformatted.\n\n#[test] fn good() {}\n");
    let facts = repo.facts(&["fast"]);
    let named = |f: Failed| format!("{} {} {}", f.id, f.category, f.place);
    let told: Vec<String> = facts.failures().into_iter().map(named).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    c-c2ffcec7 FMT crates/outer/tests/ends.rs:3
    c-55e30c5d dead_code crates/inner/src/plot.rs:3:4
    c-390fb674 unused_variables crates/outer/src/main.rs:4:9
    ");
    assert_eq!(facts.phrase(), "RED at tier 0");
}
