//! Every input of the edited repository: the values that it can have, and what each makes of the verdict.
//!
//! This is the model that the program is held against: the repository is green exactly when no input is broken.

/// What a value does to the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Good,
    Bad,
    /// Says nothing; the next layer down decides, and below the last one all is good.
    Open,
    /// Bad on lines that differ from the last commit.
    BadIfNew,
}

/// Where a value is put.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Into a file, in the place of the first value.
    Text(&'static str),
    /// As the whole of a file.
    File(&'static str),
    /// As the whole of a file that can be run.
    Program(&'static str),
    /// As what a link leads to.
    Link(&'static str),
    /// As the permissions of a file.
    Mode(&'static str),
    /// As the path at which a file stands that first stood at the first value.
    Path,
    /// As a folder that may be there or not.
    Folder(&'static str),
    Variable(&'static str),
}

/// One place and its values, of which the first is there at the beginning.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) place: Place,
    pub(super) values: Vec<(Effect, String)>,
}

/// Places of which each one hides those after it, like the settings of a folder those of its parent.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) name: &'static str,
    pub(super) layers: Vec<Layer>,
}

/// Stands for a file or variable that isn't there.
pub(super) const ABSENT: &str = "(absent)";

impl Layer {
    fn new(place: Place, values: &[(Effect, &[&str])]) -> Layer {
        let each = |(effect, values): &(Effect, &[&str])| {
            let effect = *effect;
            values.iter().map(move |value| (effect, (*value).to_owned())).collect::<Vec<_>>()
        };
        Layer { place, values: values.iter().flat_map(each).collect() }
    }
}

/// An input with one layer.
fn one(name: &'static str, place: Place, good: &[&str], bad: &[&str]) -> Input {
    Input { name, layers: vec![Layer::new(place, &[(Effect::Good, good), (Effect::Bad, bad)])] }
}

/// An input with several, each with a value that leaves it to the next, which it has at the beginning.
fn layered(name: &'static str, good: &[&str], bad: &[&str], open: &str, places: &[Place]) -> Input {
    let values = [(Effect::Open, &[open][..]), (Effect::Good, good), (Effect::Bad, bad)];
    Input { name, layers: places.iter().map(|place| Layer::new(place.clone(), &values)).collect() }
}

/// One that is missing may have something in its place.
const BROKEN_PROGRAM: &str = "#!/bin/sh\ncase \"$*\" in *--version*) echo 1.0.0 ;; *) exit 1 ;; esac\n";

const LIB: Place = Place::Text("repo/src/lib.rs");
const MANIFEST: Place = Place::Text("repo/Cargo.toml");

/// All of them; `toolchain` is where the one in use lies, if it is one of rustup's.
pub(super) fn inputs(toolchain: Option<&str>) -> Vec<Input> {
    let mut inputs = [sources(), read_by_tests(), built(), settings(), outside()].concat();
    if let Some(path) = toolchain {
        inputs.push(chosen_toolchain());
        let link = Place::Link("rustup-home/toolchains/proof");
        inputs.push(one("where the toolchain lies", link, &[path], &["/nowhere"]));
    }
    inputs
}

fn sources() -> Vec<Input> {
    let warns = [(Effect::Good, &["let _spare = 1;"][..]), (Effect::BadIfNew, &["let spare = 1;"])];
    vec![
        one("a statement", LIB, &["a + b", "b + a", "a + b + 1 - 1"], &["a - b", "a * b"]),
        one("a type", LIB, &["let total: u32 = 2;", "let total = 2_u32;"], &["let total: u8 = 2;"]),
        // Read as text by one of the tests.
        one("a comment", LIB, &["// Adds.", "// Adds them.", "// Adds!"], &["// FIXME.", "// Adds: FIXME."]),
        one("the format", LIB, &["fn twice(a: u32)"], &["fn twice(a:  u32)", "fn twice(a:u32 )"]),
        one("a lint", LIB, &["a == b", "b == a"], &["a == a"]),
        Input { name: "a warning", layers: vec![Layer::new(LIB, &warns)] },
        one("an example", LIB, &["inputs::sum(2, 2), 4", "inputs::sum(2, 3), 5"], &["inputs::sum(2, 2), 5"]),
        one(
            "an ignored source",
            Place::File("repo/src/generated.rs"),
            &["pub(crate) const NAME: &str = \"good\";\n", "pub(crate) const NAME: &str = \"good\"; // Again.\n"],
            &["pub(crate) const NAME: &str = \"evil\";\n", "pub(crate) const NAME: &str =\n", ABSENT],
        ),
        one(
            "a new test",
            Place::File("repo/tests/new.rs"),
            &[ABSENT, "#[test]\nfn new() {}\n"],
            &["#[test]\nfn new() {\n    panic!();\n}\n", "#[test]\nfn new( {}\n"],
        ),
        // Git doesn't list it, and cargo takes it all the same.
        one(
            "an ignored test",
            Place::File("repo/tests/hidden.rs"),
            &[ABSENT, "#[test]\nfn hidden() {}\n"],
            &["#[test]\nfn hidden() {\n    panic!();\n}\n"],
        ),
        one(
            "a new program",
            Place::File("repo/src/bin/new.rs"),
            &[ABSENT, "fn main() {}\n"],
            &["fn main() {\n    nothing();\n}\n"],
        ),
        one("an idle file", Place::File("repo/notes/idle.txt"), &[ABSENT, "One.\n", "Two.\n"], &[]),
    ]
}

fn read_by_tests() -> Vec<Input> {
    let data = |name: &'static str, path: &'static str| one(name, Place::File(path), &["good\n"], &["evil\n", ABSENT]);
    vec![
        one("a data file", Place::File("repo/tests/data/text.txt"), &["good\n", "good\n\n"], &["evil\n", "", ABSENT]),
        data("a file that git is told not to look at", "repo/tests/data/assumed.txt"),
        data("a file that git is told to skip", "repo/tests/data/skipped.txt"),
        data("a tracked file that is ignored", "repo/tests/data/forced.txt"),
        data("a file in a repository inside", "repo/nested/data.txt"),
        data("a file below a linked folder", "outside/folder/data.txt"),
        data("an ignored file that the contract names", "repo/private.txt"),
        data("a file outside that the contract names", "outside/named/data.txt"),
        one("a moved file", Place::Path, &["repo/tests/data/moved.txt"], &["repo/tests/data/gone.txt"]),
        one("a further file", Place::File("repo/tests/data/list/more.txt"), &[ABSENT], &["", "more\n"]),
        one("an empty folder", Place::Folder("repo/tests/data/list/folder"), &[ABSENT], &["there"]),
        one("an executable mode", Place::Mode("repo/scripts/check.sh"), &["755", "700"], &["644", "600"]),
        one("a script", Place::Text("repo/scripts/check.sh"), &["exit 0", "exit $((0))"], &["exit 1"]),
        Input {
            name: "a link",
            layers: vec![
                Layer::new(
                    Place::Link("repo/tests/data/linked.txt"),
                    &[
                        (Effect::Good, &["one.txt", "./one.txt"]),
                        (Effect::Bad, &["two.txt", "./two.txt"]),
                        (Effect::Open, &["../../../outside/linked.txt"]),
                    ],
                ),
                Layer::new(
                    Place::File("outside/linked.txt"),
                    &[(Effect::Bad, &[ABSENT, "evil\n"]), (Effect::Good, &["good\n"])],
                ),
            ],
        },
        // A variable of the environment hides those of cargo's settings.
        layered("a variable", &["good"], &["evil"], ABSENT, &[Place::Variable("FLAVOUR")])
            .above(layered(
                "",
                &["[env]\nFLAVOUR = \"good\"\n"],
                &["[env]\nFLAVOUR = \"evil\"\n"],
                "[env]\n",
                &[Place::Text("repo/.cargo/config.toml")],
            ))
            .above(layered(
                "",
                &["[env]\nFLAVOUR = \"good\"\n"],
                &["[env]\nFLAVOUR = \"evil\"\n"],
                ABSENT,
                &[Place::File(".cargo/config.toml"), Place::File("cargo-home/config.toml")],
            )),
        one("an idle variable", Place::Variable("IDLE"), &[ABSENT, "1", "2"], &[]),
    ]
}

fn built() -> Vec<Input> {
    vec![
        one("an included file", Place::File("repo/src/included.txt"), &["good\n", "good\n\n"], &["evil\n", ABSENT]),
        one("an input of the build script", Place::File("repo/build-input.txt"), &["good\n"], &["evil\n", ABSENT]),
        one("the build script", Place::Text("repo/build.rs"), &["BUILT_BY=good"], &["BUILT_BY=evil", "BUILT_AT=good"]),
        one("a compiled variable", Place::Variable("COMPILED_IN"), &[ABSENT, "good"], &["evil"]),
        one("the version", MANIFEST, &["version = \"0.1.0\"", "version = \"0.1.1\""], &["version = \"9.9.9\""]),
        one("a feature", MANIFEST, &["default = []", "default = [ ]"], &["default = [\"broken\"]"]),
        one("the manifest", MANIFEST, &["publish = false"], &["publish = \"perhaps\"", "publish = false ]"]),
        // Cargo writes one where there is none.
        one("the lock", Place::File("repo/Cargo.lock"), &[ABSENT], &["version = ?\n"]),
        one("flags", Place::Text("repo/.cargo/config.toml"), &["flags = []"], &["flags = [\"--cfg\", \"broken\"]"]),
    ]
}

fn settings() -> Vec<Input> {
    vec![
        layered(
            "the formatter's settings",
            &["max_width = 100\n", "max_width = 110\n"],
            &["hard_tabs = true\n", "max_width = ?\n"],
            ABSENT,
            &[
                Place::File("repo/rustfmt.toml"),
                Place::File("rustfmt.toml"),
                Place::File("home/.config/rustfmt/rustfmt.toml"),
            ],
        ),
        layered(
            "the linter's settings",
            &["disallowed-names = [\"sum\"]\n", "disallowed-names = []\n"],
            &["disallowed-names = [\"total\"]\n", "disallowed-names = ?\n"],
            ABSENT,
            &[Place::File("repo/clippy.toml"), Place::File("clippy.toml")],
        ),
        one(
            "the contract",
            Place::Text("repo/Harness.toml"),
            &["run.test-timeout = \"60s\"", "run.test-timeout = \"50s\"", "run.seed = 7"],
            &["run.test-timeout = \"60x\"", "tests.timeout = \"60s\""],
        ),
        // Cargo finds its subcommands on the path, and before that in its own home.
        one("a program on the path", Place::Program("bin/cargo-clippy"), &[ABSENT], &[BROKEN_PROGRAM]),
        one("a program of cargo's", Place::Program("cargo-home/bin/cargo-fmt"), &[ABSENT], &[BROKEN_PROGRAM]),
        one("a manifest above", Place::File("Cargo.toml"), &[ABSENT], &["[workspace]\nmembers = []\n", "[workspace\n"]),
    ]
}

fn outside() -> Vec<Input> {
    vec![
        one("a crate outside", Place::Text("outside/src/lib.rs"), &["    42\n", "    6 * 7\n"], &["    43\n"]),
        one(
            "the manifest of a crate outside",
            Place::Text("outside/Cargo.toml"),
            &["edition = \"2024\"", "edition = \"2021\""],
            &["edition = \"2525\""],
        ),
    ]
}

/// As rustup finds it: by the environment, the files of this folder and those above, and its own settings.
fn chosen_toolchain() -> Input {
    const GOOD: &str = "[toolchain]\nchannel = \"proof\"\n";
    const BAD: &str = "[toolchain]\nchannel = \"not-installed\"\n";
    let places = [Place::File("repo/rust-toolchain.toml"), Place::File("rust-toolchain.toml")];
    let of_home = |name: &str| format!("version = \"12\"\ndefault_toolchain = \"{name}\"\nprofile = \"default\"\n");
    let lowest = one("", Place::File("rustup-home/settings.toml"), &[&of_home("proof")], &[&of_home("not-installed")]);
    layered("the toolchain", &["proof"], &["not-installed"], ABSENT, &[Place::Variable("RUSTUP_TOOLCHAIN")])
        .above(layered("", &[GOOD], &[BAD], ABSENT, &places))
        .above(lowest)
}

impl Input {
    /// The same with further layers below its own.
    fn above(mut self, below: Input) -> Input {
        self.layers.extend(below.layers);
        self
    }

    /// Whether these values of the layers make the repository red, beside those of the last commit.
    pub(super) fn is_broken(&self, now: &[usize], committed: &[usize]) -> bool {
        let effects = self.layers.iter().zip(now).map(|(layer, at)| layer.values[*at].0);
        match effects.zip(now.iter().zip(committed)).find(|(effect, _)| *effect != Effect::Open) {
            None | Some((Effect::Good | Effect::Open, _)) => false,
            Some((Effect::Bad, _)) => true,
            Some((Effect::BadIfNew, (now, committed))) => now != committed,
        }
    }
}
