//! What a command is about to write, shown before it does.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use eyre::{Result, bail};

use crate::Usage;
use crate::output::Output;

/// Files that will be written, and what will be lost by it.
#[derive(Default)]
pub(crate) struct Plan {
    writes: Vec<(PathBuf, String)>,
    replaces: Vec<PathBuf>,
    moves: Vec<PathBuf>,
}

impl Plan {
    /// `what` will be in the file at `path`.
    pub(crate) fn write(&mut self, path: PathBuf, what: impl Into<String>) {
        self.writes.push((path, what.into()));
    }

    /// What is at `path` now will be gone.
    pub(crate) fn replace(&mut self, path: PathBuf) {
        self.replaces.push(path);
    }

    /// What is at `path` now will be kept under another name.
    pub(crate) fn move_aside(&mut self, path: PathBuf) {
        self.moves.push(path);
    }

    /// Shows it, and asks on a terminal. Without one it goes on, but replaces nothing unless `yes`.
    pub(crate) fn agree(&self, yes: bool, output: &Output) -> Result<()> {
        let asks = !yes && io::stdin().is_terminal();
        let replaced = paths(self.replaces.iter().chain(&self.moves));
        if !yes && !asks && !replaced.is_empty() {
            bail!(Usage(format!("{replaced} would be replaced; confirm it with `--yes`")));
        }
        let text = self.text();
        if !asks {
            output.note(&text);
            return Ok(());
        }
        let (question, wanted) = match replaced.is_empty() {
            true => ("Go on? [Y/n] ", &["", "y", "yes"][..]),
            false => ("Type `yes` to replace it: ", &["yes"][..]),
        };
        let mut stderr = io::stderr();
        write!(stderr, "{text}\n{question}")?;
        stderr.flush()?;
        let mut answer = String::new();
        let end = io::stdin().read_line(&mut answer)? == 0;
        if end || !wanted.contains(&answer.trim().to_lowercase().as_str()) {
            bail!("nothing was written");
        }
        Ok(())
    }

    fn text(&self) -> String {
        let mut lines = vec!["This writes".to_owned()];
        let writes: Vec<_> = self.writes.iter().map(|(path, what)| (path.display().to_string(), what)).collect();
        let width = writes.iter().map(|(path, _)| path.chars().count()).max().unwrap_or_default();
        lines.extend(writes.iter().map(|(path, what)| format!("  {path:<width$}  {what}")));
        if !self.replaces.is_empty() {
            lines.push(format!("What is in {} now will be gone for good.", paths(&self.replaces)));
        }
        if !self.moves.is_empty() {
            lines.push(format!("What is in {} now will be moved aside.", paths(&self.moves)));
        }
        lines.join("\n")
    }
}

fn paths<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let paths: Vec<_> = paths.into_iter().map(|path| path.display().to_string()).collect();
    paths.join(" and ")
}
