//! User names and passwords by host, from the file that ftp, curl and wget share.
//!
//! The file is what `NETRC` names, else `~/.netrc`; it is read once. Only a `machine` that is named counts: the entry `default` would send a
//! password to every host there is.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::LazyLock;

/// As whom to log in at a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

static LOGINS: LazyLock<HashMap<String, Login>> = LazyLock::new(|| {
    path().and_then(|path| std::fs::read_to_string(path).ok()).map(|text| parse(&text)).unwrap_or_default()
});

/// The login for a host, where the file has one.
pub(crate) fn login(host: &str) -> Option<&'static Login> {
    LOGINS.get(&host.to_ascii_lowercase())
}

fn path() -> Option<PathBuf> {
    let named = std::env::var_os("NETRC").map(PathBuf::from);
    named.or_else(|| Some(std::env::home_dir()?.join(".netrc")))
}

/// Reads the words of the file; a macro ends at an empty line, a comment at the end of its own.
fn parse(text: &str) -> HashMap<String, Login> {
    let mut logins = HashMap::new();
    let mut machine: Option<String> = None;
    let mut login = Login::default();
    let mut in_macro = false;
    let mut finish = |machine: &mut Option<String>, login: &mut Login| {
        let login = std::mem::take(login);
        if let Some(machine) = machine.take().filter(|_| !login.user.is_empty()) {
            // The first entry of a host counts, as with curl.
            logins.entry(machine).or_insert(login);
        }
    };
    for line in text.lines() {
        in_macro &= !line.trim().is_empty();
        let mut words = line.split_whitespace();
        while !in_macro && let Some(word) = words.next() {
            match word {
                "machine" => {
                    finish(&mut machine, &mut login);
                    machine = words.next().map(str::to_ascii_lowercase);
                }
                "default" => finish(&mut machine, &mut login),
                "login" => login.user = words.next().unwrap_or_default().to_owned(),
                "password" => login.password = words.next().unwrap_or_default().to_owned(),
                "account" => _ = words.next(),
                "macdef" => in_macro = true,
                comment if comment.starts_with('#') => break,
                _ => {}
            }
        }
    }
    finish(&mut machine, &mut login);
    logins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_forms_are_read() {
        let text = "# mine\nmachine A.example login ann password s3cret\nmachine b.example\n  login bob\n  password #x\n\
                    macdef init\nmachine c.example login no password no\n\n\
                    machine a.example login second password second\nmachine d.example password only\n\
                    default login all password all\n";
        let logins = parse(text);
        let login = |user: &str, password: &str| Login { user: user.to_owned(), password: password.to_owned() };
        assert_eq!(logins["a.example"], login("ann", "s3cret"));
        assert_eq!(logins["b.example"], login("bob", "#x"));
        assert_eq!(logins.len(), 2);
        assert!(parse("machine").is_empty() && parse("machine x login").is_empty());
    }
}
