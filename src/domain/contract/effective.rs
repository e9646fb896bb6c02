//! The contract as it holds, with every default filled in, as a text that would load back to the same.

use toml::{Spanned, Table, Value};

use super::builtin;
use super::load::Loaded;
use super::places::KeyPath;
use super::types::{Contract, ModeTable, Step, Uses};
use crate::base::Tier;
use crate::domain::record::Mode;

/// Whether each value says where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    Hidden,
    /// As a comment: `# default` or `# Harness.toml:12`.
    Shown,
}

/// The effective contract as TOML.
///
/// # Errors
/// A value that TOML has no form for; no contract that was loaded holds one.
pub(crate) fn effective(loaded: &Loaded, origins: Origins) -> Result<String, toml::ser::Error> {
    let table = Table::try_from(filled(&loaded.contract))?;
    let mut writer = Writer { loaded, origins, out: String::new() };
    writer.entries(&KeyPath::default(), "", &table);
    Ok(writer.out)
}

/// The same contract with nothing left to a default.
fn filled(contract: &Contract) -> Contract {
    let mut filled = contract.clone();
    for (table, mode) in [
        (&mut filled.modes.fast, Mode::Fast),
        (&mut filled.modes.full, Mode::Full),
        (&mut filled.modes.deep, Mode::Deep),
    ] {
        let builtin::EffectiveMode { tiers, budget, sample, cases, fuzz_time } = builtin::mode(contract, mode);
        *table = ModeTable { tiers: Some(tiers), budget, sample: Some(sample), cases, fuzz_time };
    }
    for tier in Tier::all() {
        let steps = builtin::steps_of(contract, tier);
        for step in &steps {
            if let Some(uses) = builtin::uses(step) {
                let plain = || Spanned::new(0..0, Step::plain(uses));
                filled.steps.entry((*step).to_owned()).or_insert_with(plain);
            }
        }
        let steps = steps.into_iter().map(|step| Spanned::new(0..0, step.to_owned())).collect();
        filled.tiers.insert(Spanned::new(0..0, tier.to_string()), steps);
    }
    for step in filled.steps.values_mut().map(Spanned::get_mut) {
        if matches!(step.uses, Uses::Check | Uses::Clippy) {
            step.warnings.get_or_insert(builtin::WARNINGS);
        }
    }
    filled
}

struct Writer<'a> {
    loaded: &'a Loaded,
    origins: Origins,
    out: String,
}

impl Writer<'_> {
    /// The entries of a table: values first, for what follows a header belongs to it, then the tables below.
    fn entries(&mut self, path: &KeyPath, header: &str, table: &Table) {
        for (key, value) in table.iter().filter(|(_, value)| !is_below(value)) {
            let origin = self.origin(&path.key(key));
            self.out.push_str(&format!("{} = {value}{origin}\n", quoted(key)));
        }
        for (key, value) in table.iter().filter(|(_, value)| is_below(value)) {
            let path = path.key(key);
            let header = if header.is_empty() { quoted(key) } else { format!("{header}.{}", quoted(key)) };
            match value {
                Value::Table(table) => {
                    if table.is_empty() || table.values().any(|value| !is_below(value)) {
                        self.header(&format!("[{header}]"));
                    }
                    self.entries(&path, &header, table);
                }
                Value::Array(items) => {
                    for (n, item) in items.iter().filter_map(Value::as_table).enumerate() {
                        self.header(&format!("[[{header}]]"));
                        self.entries(&path.item(n), &header, item);
                    }
                }
                _ => {}
            }
        }
    }

    fn header(&mut self, header: &str) {
        let gap = if self.out.is_empty() { "" } else { "\n" };
        self.out.push_str(&format!("{gap}{header}\n"));
    }

    fn origin(&self, path: &KeyPath) -> String {
        let origin = &self.loaded.origin;
        match self.origins {
            Origins::Hidden => String::new(),
            Origins::Shown if origin.places.has(path) => {
                let place = origin.document.place(origin.places.key(path));
                format!(" # {}:{}", place.path, place.line)
            }
            Origins::Shown => " # default".to_owned(),
        }
    }
}

/// Whether a value has a header of its own.
fn is_below(value: &Value) -> bool {
    match value {
        Value::Table(_) => true,
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_table),
        _ => false,
    }
}

fn quoted(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !key.is_empty() && key.bytes().all(bare) { key.to_owned() } else { Value::from(key).to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::load::{Document, Source, interpret};
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Loaded {
        let document = Document { path: "Harness.toml".to_owned(), text: text.to_owned() };
        interpret(Source::File, &document, &document.parse().unwrap())
            .map_err(|error| format!("{error}\n{text}"))
            .unwrap()
    }

    fn shown(text: &str, origins: Origins) -> String {
        effective(&read(text), origins).unwrap()
    }

    #[test]
    fn every_default_is_filled_in() {
        insta::assert_snapshot!(shown("", Origins::Hidden), @r#"
        [run]
        seed = 24301
        test-timeout = "1m"
        step-timeout = "10m"
        timeout = "6h"
        features = []
        all-features = false
        no-default-features = false
        leaks = "deny"
        engine = "auto"
        inputs = []
        keep-runs = 20

        [modes.fast]
        tiers = "0-1"
        budget = "30s"
        sample = "auto"

        [modes.full]
        tiers = "0-3"
        sample = "off"
        cases = 1024

        [modes.deep]
        tiers = "0-5"
        sample = "off"
        cases = 8192
        fuzz-time = "1m"

        [tiers]
        0 = ["fmt", "clippy"]
        1 = ["unit", "doc"]
        2 = ["prop", "fuzz"]
        3 = ["diff"]
        4 = ["builds"]
        5 = ["system"]

        [steps.builds]
        uses = "build"

        [steps.clippy]
        uses = "clippy"
        warnings = "new"

        [steps.diff]
        uses = "diff"

        [steps.doc]
        uses = "doctest"

        [steps.fmt]
        uses = "rustfmt"

        [steps.fuzz]
        uses = "fuzz"

        [steps.prop]
        uses = "proptest"

        [steps.system]
        uses = "build"

        [steps.unit]
        uses = "nextest"

        [sandbox]
        mode = "off"
        network = "off"
        read = []
        write = []
        env = []
        "#);
    }

    #[test]
    fn each_value_says_where_it_comes_from() {
        let text = "[run]\nseed = 7\n\n[[builds]]\nname = \"lua\"\ndir = \"lua\"\nrun = [\"make\"]\n[builds.env]\n\"A.B\" = \"x\"\n";
        let shown = shown(text, Origins::Shown);
        let part = |start: &str, lines: usize| {
            shown[shown.find(start).unwrap()..].lines().take(lines).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(part("seed", 2), "seed = 7 # Harness.toml:2\ntest-timeout = \"1m\" # default");
        insta::assert_snapshot!(part("[[builds]]", 10), @r#"
        [[builds]]
        name = "lua" # Harness.toml:5
        dir = "lua" # Harness.toml:6
        run = ["make"] # Harness.toml:7
        tier = 4 # default
        timeout = "10m" # default
        expect = [] # default

        [builds.env]
        "A.B" = "x" # Harness.toml:9
        "#);
    }

    /// Independent parts of a contract; any of them together are a contract.
    const PARTS: [&str; 12] = [
        "[done]\ntiers = \"0-3\"\nbinaries = [{ name = \"a\", max-size = \"2 MB\" }]\nnon-goals = [\"line\\nbreak\"]",
        "[run]\nseed = 9223372036854775807\nleaks = \"report\"\nfeatures = [\"a\", \"b/c\"]",
        "[modes.fast]\nsample = \"12.5%\"\nbudget = \"1500ms\"",
        "[modes.deep]\ntiers = \"0,2-4\"\ncases = 3",
        "[tiers]\n1 = [\"doc\"]\n2 = []\n3 = [\"diff\", \"mine\", \"unit\"]",
        "[steps.mine]\nuses = \"command\"\nrun = [\"a\", \"\", \"'\\\"\\\\\\t\"]\nenv = { \"A.B\" = \"x\\ny\" }",
        "[steps.unit]\nuses = \"nextest\"\nfilter = 'not test(prop)'\ntimeout = \"2m\"",
        "[[builds]]\nname = \"lua\"\ndir = \"lua\"\nrun = [\"make\"]\nexpect = [{ path = \"a b\" }, { path = \"c\" }]",
        "[[categories]]\nname = \"PARSER\"\npattern = '\\bunexpected \"token\"'",
        "[sandbox]\nnetwork = [\"crates.io\"]\nmemory = \"8 GiB\"",
        "[protect]\nfiles = [\"**\"]\nroles = [\"bug miner\"]\n[roles.\"bug miner\"]\n[roles.empty]",
        "[[fallbacks]]\nname = \"l\"\nto = \"ld\"\nfiles = []\nuses = \"x\"\n[gates.push]\ntiers = \"0\"\n[gates.merge]",
    ];

    /// What a run would go by.
    fn meaning(contract: &Contract) -> String {
        let modes = [Mode::Fast, Mode::Full, Mode::Deep].map(|mode| builtin::mode(contract, mode));
        let ladder: Vec<_> = Tier::all()
            .flat_map(|tier| builtin::steps_of(contract, tier))
            .map(|step| (step, builtin::uses_of(contract, step)))
            .collect();
        format!("{modes:?} {ladder:?} {:?} {:?}", contract.run, contract.done)
    }

    proptest! {
        #[test]
        fn saved_and_read_again_it_is_the_same(chosen in proptest::sample::subsequence(PARTS.to_vec(), 0..=PARTS.len())) {
            // The ladder names a step that another part defines.
            let mut chosen = chosen;
            if chosen.contains(&PARTS[4]) && !chosen.contains(&PARTS[5]) {
                chosen.push(PARTS[5]);
            }
            let first = read(&chosen.join("\n"));
            for origins in [Origins::Hidden, Origins::Shown] {
                let again = read(&effective(&first, origins).unwrap());
                prop_assert_eq!(effective(&again, Origins::Hidden), effective(&first, Origins::Hidden));
                prop_assert_eq!(meaning(&again.contract), meaning(&first.contract));
            }
        }
    }
}
