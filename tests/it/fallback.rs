//! `cargo harness fallback`: the table of what still leans on something else, and its trend.

use crate::support::Repo;

const CONTRACT: &str = "[[fallbacks]]\nname = \"linker\"\nto = \"GNU ld\"\nfiles = [\"src/**\"]\nuses = \"ld!\"\n\
                        tracking = \"#47\"\n\n[[fallbacks]]\nname = \"math\"\nto = \"libm\"\nfiles = [\"src/math.rs\"]\n";

fn with_uses(repo: &Repo, count: usize) {
    repo.write("src/link.rs", &"// ld!\n".repeat(count));
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "--quiet", "--allow-empty", "--message=Next"]);
}

#[test]
fn the_table_counts_files_and_uses_at_the_last_commit_and_says_where_they_lead() {
    let repo = Repo::from_fixture("single");
    repo.write("Harness.toml", CONTRACT).write("src/math.rs", "").write(".gitignore", "/target\n");
    repo.git_init();
    for count in [5, 7, 7, 3] {
        with_uses(&repo, count);
    }
    // What isn't committed is not counted.
    repo.write("src/link.rs", &"// ld!\n".repeat(99));
    let answer = repo.harness(&["fallback"]);
    assert_eq!(answer.code, 0, "{}", answer.whole());
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines[0], "## Fallback Status");
    assert!(
        lines[3].starts_with("| linker | GNU ld | ") && lines[3].ends_with(" | 3 | 0 > 5 > 7 > 3, growing | #47 |")
    );
    assert_eq!(lines[4], "| math | libm | 1 file | - | 1, standing still | none |");
    assert!(lines[5].starts_with("FALLBACKS: 2 fallbacks at ") && lines[5].ends_with(", distance to replacement 4"));
    let json = repo.harness(&["fallback", "--message-format=json"]).stdout;
    let facts: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!((facts["type"].as_str(), facts["fallbacks"][0]["now"]["uses"].as_u64()), (Some("fallback"), Some(3)));
}

#[test]
fn without_fallbacks_or_without_git_it_says_so() {
    let repo = Repo::from_fixture("single");
    let nowhere = repo.harness(&["fallback"]);
    assert!(nowhere.code == 2 && nowhere.stderr.contains("hint: "), "{}", nowhere.whole());
    repo.git_init();
    let none = repo.harness(&["fallback"]);
    assert!(none.code == 0 && none.stdout.starts_with("FALLBACKS: none at "), "{}", none.whole());
}
