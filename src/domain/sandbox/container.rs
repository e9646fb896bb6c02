//! The sandbox of a run whose steps run in containers of an image, which brings the toolchain.

use camino::{Utf8Path, Utf8PathBuf};

use super::places::{self, Places};
use super::{Sandbox, SandboxError, properties};
use crate::base::Image;
use crate::domain::contract::Sandbox as Wanted;
use crate::domain::record::{Containment, ImageRecord};
use crate::ports::cargo::Workspace;
use crate::ports::fs;
use crate::ports::sandbox::container::Container;
use crate::ports::sandbox::probe::Found;
use crate::ports::sandbox::{Access, Cage};

/// Where an image's toolchain builds: what another one has built would be taken for its own.
pub(crate) fn build_dir(workspace: &Workspace, image: &Image) -> Utf8PathBuf {
    workspace.harness_dir().join("images").join(&image.digest()[..16])
}

/// The folders of the target folder that an image's builds have instead.
const CHECK: &str = "check";
const FUZZ: &str = "fuzz-build";

impl Sandbox {
    /// That of a run whose steps run in containers.
    ///
    /// # Errors
    /// A container can't be entered, or its folders can't be made.
    pub(crate) fn of_containers(
        wanted: &Wanted,
        workspace: &Workspace,
        program: &Utf8Path,
        mut container: Container,
        found: &Found,
    ) -> Result<Sandbox, SandboxError> {
        let mut record = properties::record(found);
        if record.containment != Containment::Full {
            return Err(SandboxError::NotEntered { image: container.image.clone(), why: found.why.clone() });
        }
        let engine = container.engine.name();
        properties::by_engine(&mut record, engine);
        record.image = Some(ImageRecord { backend: engine.to_owned(), image: container.image.to_string() });
        let build_dir = build_dir(workspace, &container.image);
        // The harness's own folder lies below; without one to mount it on it would be missed.
        for folder in ["harness", CHECK, FUZZ] {
            fs::create_dir(&build_dir.join(folder))?;
        }
        let replaced = [Some(&workspace.target_dir), workspace.build_dir.as_ref()].into_iter().flatten();
        container.moved = replaced.map(|path| (path.clone(), build_dir.clone())).collect();
        let own = [CHECK, FUZZ].map(|name| (workspace.harness_dir().join(name), build_dir.join(name)));
        container.moved.extend(own);
        let mut cage = Cage { container: Some(container), program: program.to_owned(), ..Cage::default() };
        let places = Places::of(workspace).without_toolchain();
        places::fill(&mut cage, &places, wanted)?;
        cage.add(&build_dir, Access::Write);
        let mut set = vec![("TMPDIR", "/tmp"), ("CARGO_TARGET_DIR", build_dir.as_str())];
        // Set where it isn't, it would hold for `check` as well.
        set.extend(workspace.build_dir.as_ref().map(|_| ("CARGO_BUILD_BUILD_DIR", build_dir.as_str())));
        set.extend(places.cargo_home().map(|home| ("CARGO_HOME", home.as_str())));
        set.extend(places.home().map(|home| ("HOME", home.as_str())));
        cage.set = set.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let errands = places::errands(&places)?;
        let (cage, build_dir) = (Some(cage), Some(build_dir));
        Ok(Sandbox { cage, named: wanted.env.clone(), errands, record, build_dir, ..Sandbox::default() })
    }

    /// What the tools of the run are, where they aren't the host's.
    pub(crate) fn image(&self) -> Option<&Image> {
        self.cage.as_ref()?.container.as_ref().map(|container| &container.image)
    }
}
