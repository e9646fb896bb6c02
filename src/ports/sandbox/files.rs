//! The files of a cage, held by the kernel itself (Landlock).

use camino::Utf8PathBuf;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    Scope, path_beneath_rules,
};

/// The newest form of the kernel's interface that is known here; what an older kernel lacks is left out.
const NEWEST: ABI = ABI::V9;

/// Devices that programs read and write.
const DEVICES: [&str; 10] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/fd",
    "/dev/shm",
];

/// From here on nothing but this can be read or written by this process and by what it starts. Whether the kernel holds it.
///
/// # Errors
/// The kernel's interface is there and refuses.
pub(super) fn restrict(reads: &[Utf8PathBuf], writes: &[Utf8PathBuf], shared: bool) -> Result<bool, String> {
    let all = AccessFs::from_all(NEWEST);
    // Of devices, no more than ordinary programs do with them; of shared memory only what is the cage's own.
    let device = AccessFs::from_file(NEWEST) | AccessFs::ReadDir;
    let devices = DEVICES.iter().filter(|path| shared || **path != "/dev/shm");
    let memory: BitFlags<AccessFs> = if shared { all } else { BitFlags::EMPTY };
    let restrict = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(all)?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .add_rules(path_beneath_rules(reads, AccessFs::from_read(NEWEST)))?
            .add_rules(path_beneath_rules(devices, device))?
            .add_rules(path_beneath_rules(shared.then_some("/dev/shm"), memory))?
            .add_rules(path_beneath_rules(writes, all))?
            .restrict_self()
    };
    let status = restrict().map_err(|error: landlock::RulesetError| error.to_string())?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}
