//! The variables that judged code gets: what builds and tests need, and nothing that could be a secret.

/// By name.
const NAMES: [&str; 39] = [
    "AR",
    "AS",
    "ASFLAGS",
    "CC",
    "CFLAGS",
    "CI",
    "CMAKE",
    "COMPILER_PATH",
    "CPATH",
    "CPP",
    "CPPFLAGS",
    "CXX",
    "CXXFLAGS",
    "CXXSTDLIB",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "HOME",
    "LANG",
    "LANGUAGE",
    "LD",
    "LDFLAGS",
    "LD_LIBRARY_PATH",
    "LIBRARY_PATH",
    "LOGNAME",
    "NM",
    "NUM_JOBS",
    "OBJC_INCLUDE_PATH",
    "PATH",
    "PROTOC",
    "PROTOC_INCLUDE",
    "PYO3_PYTHON",
    "RANLIB",
    "SOURCE_DATE_EPOCH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "STRIP",
    "TERM",
    "TZ",
    "USER",
];

/// By what they begin with.
const PREFIXES: [&str; 26] = [
    "AR_",
    "BINDGEN_",
    "CARGO_",
    "CC_",
    "CFLAGS_",
    "CLIPPY_",
    "CMAKE_",
    "CXXFLAGS_",
    "CXX_",
    "HOST_",
    "LC_",
    "LIBCLANG_",
    "LLVM_",
    "NEXTEST_",
    "NIX_",
    "OPENSSL_",
    "PKG_CONFIG",
    "PROPTEST_",
    "RANLIB_",
    "RUSTC",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_",
    "RUST_",
    "TARGET_",
    "VCPKG",
];

/// What a name has that holds a secret.
const SECRET: [&str; 8] = ["TOKEN", "SECRET", "PASSW", "CREDENTIAL", "PRIVATE", "AUTH", "_KEY", "COOKIE"];

/// Whether a variable is likely to hold a secret, by its name.
pub(crate) fn holds_secret(name: &str) -> bool {
    SECRET.iter().any(|part| name.to_ascii_uppercase().contains(part))
}

/// Whether a variable is let through; `named` are those of the contract.
pub(super) fn passes(name: &str, named: &[String]) -> bool {
    let known = NAMES.contains(&name) || name == "CARGO" || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    named.iter().any(|wanted| wanted == name) || (known && !holds_secret(name))
}

/// What holds for an image's tools as well, by what the name begins with. The rest says where the host's own lie, or what they are.
const OF_ANY_TOOLCHAIN: [&str; 15] = [
    "CARGO_",
    "CI",
    "CLIPPY_",
    "LANG",
    "LC_",
    "NEXTEST_",
    "NUM_JOBS",
    "PROPTEST_",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "RUST_",
    "LOGNAME",
    "SOURCE_DATE_EPOCH",
    "TZ",
    "USER",
];

/// Folders and programs of the host by cargo's own names.
const OF_CARGO: [&str; 5] =
    ["CARGO_HOME", "CARGO_BUILD_RUSTC", "CARGO_BUILD_RUSTDOC", "CARGO_INSTALL_ROOT", "CARGO_MANIFEST_"];

/// Whether a variable is let through to the tools of an image; `named` are those of the contract.
pub(super) fn passes_into_image(name: &str, named: &[String]) -> bool {
    let begins_with = |all: &[&str]| all.iter().any(|prefix| name.starts_with(prefix));
    named.iter().any(|wanted| wanted == name)
        || (passes(name, &[]) && begins_with(&OF_ANY_TOOLCHAIN) && !begins_with(&OF_CARGO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stay_outside_though_cargo_would_read_them() {
        for name in [
            "CARGO_REGISTRY_TOKEN",
            "CARGO_REGISTRIES_MINE_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "SSH_AUTH_SOCK",
            "GITHUB_TOKEN",
        ] {
            assert!(!passes(name, &[]), "{name}");
        }
    }

    #[test]
    fn what_builds_need_is_let_through_and_what_the_contract_names() {
        for name in
            ["PATH", "CARGO", "CARGO_HOME", "RUSTFLAGS", "CC_x86_64-unknown-linux-gnu", "PROPTEST_CASES", "LC_ALL"]
        {
            assert!(passes(name, &[]), "{name}");
        }
        assert!(!passes("DATABASE_URL", &[]));
        assert!(passes("DATABASE_URL", &["DATABASE_URL".to_owned()]));
    }
}
