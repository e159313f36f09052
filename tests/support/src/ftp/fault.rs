//! What an FTP server can get wrong.

use std::fmt;
use std::str::FromStr;

/// A fault of a [`ScriptedFtpServer`](super::ScriptedFtpServer); several can be combined. Its name, for the
/// command line, is the same in small letters with hyphens: `epsv-refused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FtpFault {
    /// Accepts the connection and says nothing.
    GreetingMissing,
    /// Greets without end.
    EndlessReply,
    /// Turns the first two connections away with 421.
    Busy,
    /// Answers 530 to the password.
    LoginRefused,
    /// Answers 550 for any file, with the text "The tape is in the vault".
    FileMissing,
    /// Does not know EPSV (500).
    EpsvRefused,
    /// Answers EPSV without a port.
    EpsvMalformed,
    /// Names a port in EPSV that answers nothing, as behind a firewall. PASV works.
    EpsvBlocked,
    /// Names a port in EPSV that refuses connections. PASV works.
    EpsvClosed,
    /// Does not know EPSV, and answers PASV with nonsense.
    PasvMalformed,
    /// Does not know EPSV, and names 10.255.255.1 in PASV; the port is open on the server's true address.
    PasvPrivate,
    /// Names ports that answer nothing, in EPSV and PASV.
    DataNeverOpens,
    /// Opens the data connection and sends nothing.
    DataSilent,
    /// Sends half of the data, then nothing.
    DataStall,
    /// Sends half of the data, closes, and says 426.
    DataCut,
    /// Does so with the first data connection only.
    DataCutOnce,
    /// Sends half of the data, closes, and says 226 as if it were all.
    DataShort,
    /// Sends all the data and 100 bytes more.
    Surplus,
    /// Never says 226 after the data.
    CompletionMissing,
    /// Closes the control connection after half of the data, and the data connection too.
    ControlDropped,
    /// Does not know SIZE (500).
    SizeUnsupported,
    /// Adds 1000 in SIZE.
    SizeWrong,
    /// Does not know REST (502).
    RestUnsupported,
    /// Accepts REST and sends from the beginning all the same.
    RestIgnored,
}

impl FtpFault {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::GreetingMissing,
        Self::EndlessReply,
        Self::Busy,
        Self::LoginRefused,
        Self::FileMissing,
        Self::EpsvRefused,
        Self::EpsvMalformed,
        Self::EpsvBlocked,
        Self::EpsvClosed,
        Self::PasvMalformed,
        Self::PasvPrivate,
        Self::DataNeverOpens,
        Self::DataSilent,
        Self::DataStall,
        Self::DataCut,
        Self::DataCutOnce,
        Self::DataShort,
        Self::Surplus,
        Self::CompletionMissing,
        Self::ControlDropped,
        Self::SizeUnsupported,
        Self::SizeWrong,
        Self::RestUnsupported,
        Self::RestIgnored,
    ];
}

impl fmt::Display for FtpFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, letter) in format!("{self:?}").char_indices() {
            if letter.is_uppercase() && index > 0 {
                formatter.write_str("-")?;
            }
            write!(formatter, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

impl FromStr for FtpFault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|fault| fault.to_string() == name).ok_or_else(|| format!("no such fault: {name}"))
    }
}
