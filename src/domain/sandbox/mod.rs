//! What the steps of a run may see, write and reach.

pub(crate) mod container;
mod environment;
mod errors;
mod places;
mod properties;

use camino::{Utf8Path, Utf8PathBuf};

pub(crate) use environment::holds_secret;
pub(crate) use errors::SandboxError;
use places::Places;

use crate::base::{AllowedHost, ByteSize};
use crate::domain::contract::{Containment as Asked, Network, Sandbox as Wanted};
use crate::domain::record::{Containment, SandboxRecord, Strength};
use crate::ports::cargo::Workspace;
use crate::ports::sandbox::probe::Found;
use crate::ports::sandbox::{Access, Cage, Reach, Way, enter};
use crate::ports::{env, fs, process};

/// How much the folders in memory that a step writes to may hold, each.
const MEMORY: ByteSize = ByteSize::of_bytes(2 << 30);

/// The sandbox of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sandbox {
    cage: Option<Cage>,
    named: Vec<String>,
    /// For temporary files, where there is no folder in memory for them.
    scratch: Option<Utf8PathBuf>,
    /// What cargo writes when it fetches.
    errands: Vec<Utf8PathBuf>,
    /// Where the toolchain of an image builds.
    build_dir: Option<Utf8PathBuf>,
    pub(crate) record: SandboxRecord,
    /// Why it isn't the whole, where that was wanted.
    why: String,
    /// The hosts that the contract names.
    hosts: Vec<AllowedHost>,
}

impl Sandbox {
    /// The best that is to be had here, or what was asked for.
    ///
    /// # Errors
    /// `required`, and the whole of it is not to be had; or its folders can't be made.
    pub(crate) fn prepare(
        asked: Asked,
        wanted: &Wanted,
        workspace: &Workspace,
        (program, scratch): (&Utf8Path, Utf8PathBuf),
        found: impl FnOnce() -> Found,
    ) -> Result<Sandbox, SandboxError> {
        if asked == Asked::Off {
            return Ok(Sandbox::default());
        }
        let found = found();
        let (mut record, why) = (properties::record(&found), found.why.clone());
        let hosts = hosts(&wanted.network);
        if asked == Asked::Required && record.containment != Containment::Full {
            return Err(SandboxError::Lacking(found.why));
        }
        if record.containment == Containment::Off {
            return Ok(Sandbox { record, why, hosts, ..Sandbox::default() });
        }
        if record.containment == Containment::Full && !hosts.is_empty() {
            properties::by_proxy(&mut record);
        }
        let bubblewrap = found.bubblewrap.filter(|_| record.containment == Containment::Full);
        let mut cage = Cage { bubblewrap, program: program.to_owned(), ..Cage::default() };
        let places = Places::of(workspace);
        places::fill(&mut cage, &places, wanted)?;
        let scratch = Some(scratch).filter(|_| cage.bubblewrap.is_none());
        if let Some(scratch) = &scratch {
            fs::create_dir(scratch)?;
            cage.add(scratch, Access::Write);
        }
        let temporary = scratch.as_deref().unwrap_or(Utf8Path::new("/tmp"));
        cage.set = vec![("TMPDIR".to_owned(), temporary.to_string())];
        let errands = places::errands(&places)?;
        Ok(Sandbox {
            cage: Some(cage),
            named: wanted.env.clone(),
            scratch,
            errands,
            record,
            why,
            hosts,
            build_dir: None,
        })
    }

    /// What is lacking of it, in words.
    pub(crate) fn notes(&self) -> Vec<String> {
        let absent = self.record.properties.iter().filter(|(_, property)| property.state == Strength::Absent);
        let absent: Vec<&str> = absent.map(|(name, _)| name.as_str()).collect();
        let why = &self.why;
        let lack = match self.record.containment {
            Containment::Partial => {
                Some(format!("the sandbox is partial ({why}) and does not hold {}", absent.join(", ")))
            }
            Containment::Off if !why.is_empty() => Some(format!("there is no sandbox ({why})")),
            Containment::Full | Containment::Off => None,
        };
        let hosts = "the list of `sandbox.network` is not enforced: steps reach every host";
        let is_open = !self.hosts.is_empty() && self.record.containment != Containment::Full;
        lack.into_iter().chain(is_open.then(|| hosts.to_owned())).collect()
    }

    /// Removes what the steps have left of temporary files.
    ///
    /// # Errors
    /// It can't be removed.
    pub(crate) fn clear(&self) -> fs::Result<()> {
        self.scratch.as_ref().map_or(Ok(()), |scratch| fs::remove_dir(scratch))
    }

    /// Where cargo builds for a purpose of the harness's own, such as `check`.
    pub(crate) fn build_dir(&self, workspace: &Workspace, purpose: &str) -> Utf8PathBuf {
        self.build_dir.clone().unwrap_or_else(|| workspace.harness_dir()).join(purpose)
    }

    /// Whether steps are contained.
    pub(crate) fn is_on(&self) -> bool {
        self.cage.is_some()
    }

    /// Whether the steps reach nothing but the hosts that the contract names, and there are such.
    pub(crate) fn lets_hosts_through(&self) -> bool {
        let by_namespaces = self.cage.as_ref().is_some_and(|cage| cage.bubblewrap.is_some());
        self.record.containment == Containment::Full && by_namespaces && !self.hosts.is_empty()
    }

    /// Whether the steps are kept from the network, all of it or what isn't named.
    pub(crate) fn holds_network(&self) -> bool {
        self.is_on() && self.record.containment == Containment::Full
    }

    /// This program as the steps' commands see it.
    pub(crate) fn program(&self) -> String {
        self.cage.as_ref().map_or_else(env::own_program, |cage| cage.program.to_string())
    }

    /// The cage of one command, which may also write there; `set` are the variables that it is given. What it asks of the network is
    /// written to `log`.
    pub(crate) fn cage(
        &self,
        writes: &[Utf8PathBuf],
        set: &[(String, Option<String>)],
        log: Option<Utf8PathBuf>,
    ) -> Option<Cage> {
        let mut cage = self.cage.clone()?;
        if let Some(log) = log.filter(|_| self.lets_hosts_through()) {
            cage.reach = Reach::Hosts(Way { allowed: self.hosts.clone(), log });
        }
        writes.iter().for_each(|path| cage.add(path, Access::Write));
        let given = set.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name.clone());
        let callers = env::vars().filter_map(|(name, _)| name.into_string().ok());
        if cage.container.is_some() {
            let is_given = |name: &str| set.iter().any(|(given, _)| given == name);
            let passed = callers.filter(|name| environment::passes_into_image(name, &self.named) && !is_given(name));
            let passed = passed.filter(|name| !cage.set.iter().any(|(own, _)| own == name));
            cage.env = passed.chain(process::PLAIN.map(|(name, _)| name.to_owned())).collect();
            cage.set.extend(set.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))));
        } else {
            cage.env = callers.filter(|name| environment::passes(name, &self.named)).chain(given).collect();
            let alone = set.iter().filter(|(name, _)| enter::is_for_the_command_only(name));
            cage.set.extend(alone.filter_map(|(name, value)| Some((name.clone(), value.clone()?))));
        }
        Some(cage)
    }

    /// A folder of the workspace that a command has to write to, made where it isn't there; nothing without a sandbox, and nothing where
    /// a link would lead out of the workspace.
    ///
    /// # Errors
    /// It can't be made.
    pub(crate) fn folder_to_write(&self, root: &Utf8Path, folder: &Utf8Path) -> fs::Result<Option<Utf8PathBuf>> {
        if !self.is_on() || !places::lies_within(root, folder) {
            return Ok(None);
        }
        fs::create_dir(folder)?;
        Ok(Some(folder.to_owned()))
    }

    /// The cage in which cargo may fetch what a build needs: it reaches the network, fills the cargo home and writes the lock file, and
    /// sees nothing more of the host than a step does.
    pub(crate) fn errand(&self, lock: Option<&Utf8Path>, set: &[(String, Option<String>)]) -> Option<Cage> {
        let mut cage = self.cage(&lock.map(Utf8Path::to_owned).into_iter().collect::<Vec<_>>(), set, None)?;
        cage.reach = Reach::Everything;
        // An engine brings its own.
        let resolver = Utf8Path::new("/etc/resolv.conf");
        if cage.container.is_none() && fs::exists(resolver) {
            cage.add(resolver, Access::Read);
        }
        self.errands.iter().filter(|path| fs::exists(path)).for_each(|path| cage.add(path, Access::Write));
        Some(cage)
    }
}

/// Those that the contract names; its reader has refused what is none.
fn hosts(network: &Network) -> Vec<AllowedHost> {
    match network {
        Network::Word(_) => Vec::new(),
        Network::Allow(hosts) => hosts.iter().filter_map(|host| host.parse().ok()).collect(),
    }
}
