//! Published crates, fetched by name and made a repository.

use crate::common::Place;

/// Before a command line whose time the network must not change.
pub(crate) const OFFLINE: &str = "export CARGO_NET_OFFLINE=true; ";

/// Fetches the crates' sources into a folder: one crate as the whole repository, or several as the members of a workspace.
pub(crate) fn put_up(place: &Place, root: &str, crates: &[&str], contract: Option<&str>) {
    let scratch = format!("scratch-{root}");
    place.write(&format!("{scratch}/src/lib.rs"), "");
    place.write(
        &format!("{scratch}/Cargo.toml"),
        "[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n",
    );
    // Vendoring copies what was fetched, and fetches programs too, which can't be dependencies.
    let names = crates.join(" ");
    place.must(&scratch, &format!("cargo add --quiet {names} && cargo vendor --quiet >/dev/null"));
    for name in crates {
        let target = if crates.len() == 1 { root.to_owned() } else { format!("{root}/{name}") };
        place.must("", &format!("mkdir -p {target} && cp -R {scratch}/vendor/{name}/. {target}"));
        place.must(&target, "rm -f .cargo-checksum.json .cargo_vcs_info.json Cargo.toml.orig Cargo.lock .gitignore");
        let version = place.must(&target, "grep -m 1 ^version Cargo.toml").stdout;
        println!("fetched {name}, {}", version.trim_end());
    }
    if crates.len() > 1 {
        let members: Vec<String> = crates.iter().map(|name| format!("\"{name}\"")).collect();
        let manifest = format!("[workspace]\nresolver = \"2\"\nmembers = [{}]\n", members.join(", "));
        place.write(&format!("{root}/Cargo.toml"), &manifest);
    }
    if let Some(contract) = contract {
        place.write(&format!("{root}/Harness.toml"), contract);
    }
    place.write(&format!("{root}/.gitignore"), "target\n");
    place.must(root, "cargo fetch --quiet");
    place.must(root, "git init -q && git add -A && git -c user.name=a -c user.email=a@example.org commit -qm Begin");
}
