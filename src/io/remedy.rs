//! What to do where there is no file of a name: texts that mean something in a shell, in other packages or in a URL are names like any other here.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// How a URL begins that lacks a slash.
const HALF_URLS: [&str; 5] = ["http:/", "https:/", "ftp:/", "ftps:/", "file:/"];

/// Says what may be meant by the name of a file that is not there.
pub(crate) fn with_remedy<T>(result: Result<T>, path: &Path) -> Result<T> {
    result.map_err(|error| match remedy(path).filter(|_| error.kind() == ErrorKind::NotFound) {
        Some(remedy) => error.noting(&format!(": {remedy}")),
        None => error,
    })
}

fn remedy(path: &Path) -> Option<String> {
    let text = path.to_string_lossy();
    if text.starts_with('~') {
        return Some(
            "'~' is not expanded: give the directory's own name (in Python os.path.expanduser has it)".to_owned(),
        );
    }
    if HALF_URLS.iter().any(|start| text.starts_with(start)) {
        return Some("a URL has two slashes behind the colon".to_owned());
    }
    if let Some((name, key)) = text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) {
        return Some(format!("an HDU is no part of a name: open {name}, and ask that for its HDU {key}"));
    }
    if text.contains(['*', '?']) {
        return Some("names have no wildcards: look for the files first".to_owned());
    }
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty())?;
    (!directory.exists()).then(|| format!("there is no directory {}", directory.display()))
}

/// The error of a file that can't be made beside another: it names the directory, and not the name that the file would have had until it was whole.
pub(crate) fn unmade(error: &std::io::Error, path: &Path) -> Error {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let reason = std::io::Error::from(error.kind());
    let message = match directory.exists() {
        true => format!("no file can be made in the directory {}: {reason}", directory.display()),
        false => format!("there is no directory {}", directory.display()),
    };
    Error::from(reason).saying(message)
}
