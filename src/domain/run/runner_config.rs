//! Cargo's `target.<triple>.runner`: the repository's own, and the one that puts the shim before each test.

use camino::Utf8Path;

use super::context::{Context, RunError};
use super::shim;
use crate::ports::fs;

/// What cargo's configuration says of runners.
pub(super) struct RunnerConfig {
    /// The target triple that tests are built for.
    pub(super) triple: String,
    /// The repository's own runner with its arguments; empty where there is none.
    pub(super) chain: Vec<String>,
}

/// Resolves the configuration as cargo does in the workspace's root.
///
/// # Errors
/// Where the configuration is broken.
pub(super) fn read(run: &Context<'_>) -> Result<RunnerConfig, RunError> {
    let broken = |error: cargo_config2::Error| RunError::CargoConfig(error.to_string());
    let config = cargo_config2::Config::load_with_cwd(&run.workspace.root).map_err(broken)?;
    let host = run.toolchain.host().unwrap_or_default().to_owned();
    let built_for =
        config.build.target.as_ref().and_then(|targets| targets.first()).map(|target| target.triple().to_owned());
    let triple = built_for.unwrap_or(host);
    let runner = config.runner(triple.as_str()).map_err(broken)?;
    let word = |word: &std::ffi::OsStr| word.to_string_lossy().into_owned();
    let chain = runner.map_or_else(Vec::new, |runner| {
        [word(runner.path.as_os_str())].into_iter().chain(runner.args.iter().map(|arg| word(arg))).collect()
    });
    Ok(RunnerConfig { triple, chain })
}

/// `--config` with the shim as the runner; it finds its order in a file, and takes it only with the content that it has now:
/// the tests could write to that file.
///
/// # Errors
/// Where the configuration is broken.
pub(super) fn flag(run: &Context<'_>, order: &Utf8Path) -> Result<[String; 2], RunError> {
    let seal = shim::seal(&fs::read_text(order)?);
    let words = [run.sandbox.program().as_str(), shim::VERB, order.as_str(), &seal]
        .map(|word| toml::Value::String(word.to_owned()));
    let runner = toml::Value::Array(words.to_vec());
    Ok(["--config".to_owned(), format!("target.{}.runner={runner}", read(run)?.triple)])
}
