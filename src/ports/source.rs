//! The repository that is judged, asked from a folder of it: what its names mean, and which objects a push brings.

use camino::{Utf8Path, Utf8PathBuf};

use super::objects::{Answer, ObjectsError, Result, git};
use super::{env, fs};

/// A repository as git sees it from a folder.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The top of the work tree, or of a bare repository its own folder.
    root: Utf8PathBuf,
    bare: bool,
    /// Folders with the objects of a push that is not taken yet.
    incoming: Vec<Utf8PathBuf>,
}

impl Source {
    /// The one that a folder lies in.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn at(dir: &Utf8Path) -> Result<Source> {
        let here = Source { root: dir.to_owned(), bare: false, incoming: Vec::new() };
        let bare = here.path(&["--is-bare-repository"])? == "true";
        let root = here.path(if bare { &["--absolute-git-dir"] } else { &["--show-toplevel"] })?;
        Ok(Source { root, bare, ..here })
    }

    /// The same with the objects that git keeps apart while a `pre-receive` hook decides.
    pub(crate) fn with_incoming(self) -> Source {
        let folder = env::var("GIT_QUARANTINE_PATH").map(Utf8PathBuf::from).filter(|path| path.is_absolute());
        Source { incoming: folder.into_iter().collect(), ..self }
    }

    /// The top of its work tree, or of a bare repository its own folder.
    pub(crate) fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Whether it has no work tree.
    pub(crate) fn is_bare(&self) -> bool {
        self.bare
    }

    /// Where it keeps what its work trees share.
    ///
    /// # Errors
    /// Git can't be started.
    pub(crate) fn common_dir(&self) -> Result<Utf8PathBuf> {
        self.path(&["--path-format=absolute", "--git-common-dir"])
    }

    /// The folders in which its objects are.
    pub(super) fn lenders(&self) -> Result<Vec<Utf8PathBuf>> {
        let own = self.common_dir()?.join("objects");
        Ok(self.incoming.iter().cloned().chain([own]).collect())
    }

    /// The commit that a name means.
    ///
    /// # Errors
    /// None.
    pub(crate) fn commit(&self, name: &str) -> Result<String> {
        self.peeled(name, "commit")?.ok_or_else(|| ObjectsError::NoSuchCommit(name.to_owned()))
    }

    /// The object of a kind that a name means or leads to, if it does.
    fn peeled(&self, name: &str, kind: &str) -> Result<Option<String>> {
        let asked = format!("{name}^{{{kind}}}");
        let answer = self.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", &asked])?;
        let id = answer.text().trim().to_owned();
        Ok((answer.success && !id.is_empty()).then_some(id))
    }

    /// The commit that an object is or, as a tag, names; none where it is or names something else.
    ///
    /// # Errors
    /// The object isn't here.
    pub(crate) fn commit_in(&self, object: &str) -> Result<Option<String>> {
        match self.peeled(object, "commit")? {
            Some(commit) => Ok(Some(commit)),
            None if self.ask(&["cat-file", "-e", object])?.success => Ok(None),
            None => Err(ObjectsError::NoSuchCommit(object.to_owned())),
        }
    }

    /// Whether one commit's history has the other one.
    ///
    /// # Errors
    /// Git can't be started.
    pub(crate) fn is_ancestor(&self, of: &str, ancestor: &str) -> Result<bool> {
        Ok(self.ask(&["merge-base", "--is-ancestor", ancestor, of])?.success)
    }

    /// The best commit that two histories share; none where that isn't here.
    ///
    /// # Errors
    /// Git can't be started.
    pub(crate) fn merge_base(&self, one: &str, other: &str) -> Result<Option<String>> {
        let answer = self.ask(&["merge-base", one, other])?;
        Ok(answer.text().lines().next().map(str::to_owned).filter(|_| answer.success))
    }

    /// Whether a commit, or a tree, has a file.
    ///
    /// # Errors
    /// Git can't be started.
    pub(crate) fn has_file(&self, commit: &str, path: &Utf8Path) -> Result<bool> {
        Ok(self.ask(&["cat-file", "-e", &format!("{commit}:{path}")])?.success)
    }

    /// The reference that `HEAD` names, whether it is there or not.
    ///
    /// # Errors
    /// Git can't be started.
    pub(crate) fn trunk(&self) -> Result<Option<String>> {
        let answer = self.ask(&["symbolic-ref", "--quiet", "HEAD"])?;
        Ok(Some(answer.text().trim().to_owned()).filter(|name| answer.success && !name.is_empty()))
    }

    /// What is staged in an index, as a tree.
    ///
    /// # Errors
    /// The index has conflicts.
    pub(crate) fn staged(&self, index: Option<&Utf8Path>) -> Result<String> {
        let with: Vec<(&str, &str)> = index.iter().map(|path| ("GIT_INDEX_FILE", path.as_str())).collect();
        Ok(self.with(&with, &["write-tree"])?.good("write-tree")?.text().trim().to_owned())
    }

    /// A tree as a commit without history.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn lone_commit(&self, tree: &str) -> Result<String> {
        Ok(self.ask(&["commit-tree", "-m", "staged", tree])?.good("commit-tree")?.text().trim().to_owned())
    }

    /// The tags at a commit whose names begin so: by name, the ids of what they are.
    ///
    /// # Errors
    /// Git can't be asked.
    pub(crate) fn tags(&self, commit: &str, prefix: &str) -> Result<Vec<(String, String)>> {
        let (at, of) = (format!("--points-at={commit}"), format!("refs/tags/{prefix}*"));
        let answer = self.ask(&["for-each-ref", &at, "--format=%(objectname) %(refname:strip=2)", &of])?;
        let tags = answer.good("for-each-ref")?.text();
        let pairs = tags.lines().filter_map(|line| line.split_once(' '));
        Ok(pairs.map(|(id, name)| (name.to_owned(), id.to_owned())).collect())
    }

    /// Whether a tag is signed by a key that a list of allowed signers names, in the form of ssh-keygen.
    ///
    /// # Errors
    /// Git can't be started.
    pub(crate) fn is_signed(&self, tag: &str, signers: &Utf8Path) -> Result<bool> {
        let allowed = format!("gpg.ssh.allowedSignersFile={signers}");
        // A signature of another kind would be for a program to judge that the repository may choose.
        let flags = ["gpg.format=ssh", "gpg.ssh.program=ssh-keygen", "gpg.program=false", "gpg.openpgp.program=false"];
        let flags = flags.into_iter().chain(["gpg.x509.program=false", "gpg.minTrustLevel=fully", &allowed]);
        let flags: Vec<&str> = flags.flat_map(|flag| ["-c", flag]).collect();
        Ok(self.ask(&[&flags[..], &["verify-tag", tag]].concat())?.success)
    }

    /// An answer of `git rev-parse` that is a line.
    fn path(&self, question: &[&str]) -> Result<Utf8PathBuf> {
        let answer = self.ask(&[&["rev-parse"], question].concat())?;
        let line = answer.text().trim_end_matches('\n').to_owned();
        if answer.success && !line.is_empty() {
            Ok(line.into())
        } else {
            Err(ObjectsError::NoRepository(self.root.clone()))
        }
    }

    pub(super) fn ask(&self, args: &[&str]) -> Result<Answer> {
        self.with(&[], args)
    }

    fn with(&self, variables: &[(&str, &str)], args: &[&str]) -> Result<Answer> {
        let incoming: Vec<String> = self.incoming.iter().map(|folder| quoted(folder)).collect();
        let incoming = incoming.join(":");
        let lent = (!incoming.is_empty()).then_some(("GIT_ALTERNATE_OBJECT_DIRECTORIES", incoming.as_str()));
        let variables: Vec<(&str, &str)> = variables.iter().copied().chain(lent).collect();
        git(&[&["-C", self.root.as_str()], args].concat(), &variables, b"")
    }
}

/// As git reads a path of a list that colons divide.
fn quoted(path: &Utf8Path) -> String {
    format!("\"{}\"", path.as_str().replace('\\', "\\\\").replace('"', "\\\""))
}

/// The index that git has a hook look at, where it isn't the ordinary one.
pub(crate) fn hook_index(top: &Utf8Path) -> Option<Utf8PathBuf> {
    let index = top.join(env::var("GIT_INDEX_FILE").filter(|path| !path.is_empty())?);
    fs::is_present(&index).then_some(index)
}
