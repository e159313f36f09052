//! The layers of the crate, checked: which module may use which, and where the large dependencies may appear.
//!
//! Read from the sources: every path in the code (not only `use` lines) is looked at; comments and unit tests are not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// From top to bottom: a module may use those of its own line and of the lines above.
const LAYERS: [&[&str]; 10] = [
    &["error", "options", "compression", "block_cache"],
    &["format"],
    &["codec"],
    &["source"],
    &["image", "table", "tiled", "directory", "edit", "image_plan", "table_plan", "checksum_plan"],
    &["cpu", "memory"],
    &["io"],
    &["engine"],
    &[
        "arrow",
        "cell_survey",
        "file",
        "open",
        "target",
        "reader",
        "live_header",
        "writer",
        "changer",
        "checksums",
        "copy",
        "files",
        "hdu",
        "hdu_places",
        "fetch",
        "image_data",
        "image_writer",
        "table_data",
        "tiled_editor",
        "tiled_writer",
        "row_chunks",
        "stream",
        "variable_column",
        "table_values",
        "table_writer",
        "table_editor",
    ],
    &["blocking", "lib"],
];
/// The lines that are pure: no files, sockets or threads.
const PURE: std::ops::Range<usize> = 1..5;
/// The first line of the public API.
const PUBLIC: usize = 8;

/// What is wrong with a source file; `path` is below the package's `src`. `exports` says which module a name of the crate's root is from.
fn breaches(path: &str, source: &str, exports: &HashMap<String, String>) -> Vec<String> {
    let own_path = module_path(path);
    let own = own_path.first().map_or("lib", String::as_str);
    let Some(own_layer) = layer(own) else {
        return vec![format!("{path}: module {own} is in no layer: add it to the list in tests/layers.rs")];
    };
    let mut found = Vec::new();
    for used in paths(source) {
        let outside = used[0].as_str();
        let complaint = if is_family(outside, &["tokio", "hyper"]) {
            (own != "io" && own != "engine" && own_layer < PUBLIC).then_some("only in io, engine and the public API")
        } else if is_family(outside, &["rayon"]) {
            (own != "cpu").then_some("only in cpu")
        } else if is_family(outside, &["pyo3", "numpy"]) {
            Some("only in python/")
        } else if used.len() > 1 && outside == "std" && ["fs", "net", "thread", "process"].contains(&used[1].as_str()) {
            PURE.contains(&own_layer).then_some("not in a pure layer")
        } else if let Some(module) = crate_module(&used, &own_path, exports) {
            let below = layer(&module).is_none_or(|layer| layer > own_layer);
            below.then_some("lies below")
        } else {
            None
        };
        if let Some(complaint) = complaint {
            found.push(format!("{path}: {own} uses {}: {complaint}", used.join("::")));
        }
    }
    found
}

/// The module of this crate that a path leads to, if it leads to one.
fn crate_module(used: &[String], own: &[String], exports: &HashMap<String, String>) -> Option<String> {
    let supers = used.iter().take_while(|name| *name == "super").count();
    let rest = match used[0].as_str() {
        "crate" => &used[1..],
        // Beyond the file's top-level module is the crate's root.
        "super" if supers >= own.len() => &used[supers..],
        _ => return None,
    };
    let name = rest.first()?;
    Some(exports.get(name).unwrap_or(name).clone())
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&module))
}

/// `tokio`, and `tokio_rustls` too.
fn is_family(name: &str, families: &[&str]) -> bool {
    families.iter().any(|family| name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
}

/// `io/http/client.rs` is `io::http::client`; `io/mod.rs` is `io`.
fn module_path(path: &str) -> Vec<String> {
    let without = path.strip_suffix(".rs").unwrap_or(path);
    let without = without.strip_suffix("/mod").unwrap_or(without);
    if without == "lib" { Vec::new() } else { without.split('/').map(str::to_owned).collect() }
}

/// All paths of two names and more in the code, and the names in `use` lines; groups in braces are expanded.
fn paths(source: &str) -> Vec<Vec<String>> {
    let code = without_tests_and_comments(source);
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(start) = rest.find(|c: char| c.is_alphanumeric() || c == '_') {
        rest = &rest[start..];
        rest = path(rest, &[], &mut found);
    }
    found.retain(|path| path.len() > 1);
    found
}

/// Reads one path at the front of `text`, adds it (or all that its group stands for), and returns what follows.
fn path<'a>(text: &'a str, before: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let names: Vec<String> = before.iter().cloned().chain([name.to_owned()]).collect();
    let Some(after) = rest.strip_prefix("::") else {
        found.push(names);
        return rest;
    };
    if after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
        return path(after, &names, found);
    }
    let Some(mut group) = after.strip_prefix('{') else {
        found.push(names);
        return after;
    };
    loop {
        group = group.trim_start_matches([' ', '\n', ',']);
        match group.strip_prefix('}') {
            Some(rest) => return rest,
            None if group.starts_with(|c: char| c.is_alphanumeric() || c == '_') => group = path(group, &names, found),
            None => return group,
        }
    }
}

/// The code up to the unit tests, which stand last, without comments.
fn without_tests_and_comments(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let line = |line: &str| {
        let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
        format!("{}\n", comment.map_or(line, |(at, _)| &line[..at]))
    };
    code.lines().map(line).collect()
}

/// Which module each name comes from that `lib.rs` re-exports.
fn exports(lib: &str) -> HashMap<String, String> {
    let all = paths(lib);
    all.iter().filter_map(|path| Some((path.last()?.clone(), path.first()?.clone()))).collect()
}

/// All source files below a directory that are not unit tests, with their paths below it.
fn sources(directory: &Path) -> Vec<(String, String)> {
    let mut directories = vec![directory.to_path_buf()];
    let mut files = Vec::new();
    while let Some(next) = directories.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if name == "tests" {
                continue;
            }
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(directory).unwrap().to_string_lossy().into_owned();
                files.push((below, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn package(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

#[test]
fn no_module_uses_one_that_lies_below() {
    let sources = sources(&package("src"));
    assert!(sources.len() > 50, "the sources were not found");
    let lib = &sources.iter().find(|(path, _)| path == "lib.rs").unwrap().1;
    let exports = exports(lib);
    assert_eq!(exports.get("FitsReader").map(String::as_str), Some("reader"));
    let found: Vec<String> = sources.iter().flat_map(|(path, source)| breaches(path, source, &exports)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_python_face_uses_the_public_api_and_no_runtime_of_its_own() {
    let sources = sources(&package("python/src"));
    assert!(!sources.is_empty(), "the sources were not found");
    for (path, source) in sources {
        for used in paths(&source) {
            assert!(!is_family(&used[0], &["tokio", "hyper", "rayon"]), "python/src/{path}: {}", used.join("::"));
        }
    }
}

#[test]
fn a_planted_breach_is_found() {
    let exports = exports("pub use reader::{FitsReader, ImageSelector};\npub use error::{Error, Result};\n");
    for (path, source) in [
        ("format/card.rs", "use crate::source::ReadAt;"),
        ("format/card.rs", "use std::fs::File;"),
        ("codec/rice.rs", "use crate::{Error, FitsReader};"),
        ("source/mod.rs", "use super::image::Section;"),
        ("image/read.rs", "use super::super::engine::Op;"),
        ("image/read.rs", "use crate::{\n    error::Error,\n    io::{\n        file::DiskFile,\n    },\n};"),
        ("table/read.rs", "fn f() { crate::cpu::run(); }"),
        ("table/read.rs", "fn f() { std::thread::spawn(|| ()); }"),
        ("tiled/read.rs", "use rayon::prelude::*;"),
        ("directory.rs", "use tokio::fs::File;"),
        ("cpu.rs", "use hyper_util::rt::TokioExecutor;"),
        ("io/file.rs", "use crate::engine::Op;"),
        ("engine/op.rs", "use crate::reader::FitsReader;"),
        ("reader.rs", "use crate::blocking;"),
        ("reader.rs", "use pyo3::prelude::*;"),
        ("engine/op.rs", "let a: numpy::PyArray = 1;"),
        ("new_idea.rs", ""),
    ] {
        assert_eq!(breaches(path, source, &exports).len(), 1, "{path}: {source}");
    }
}

#[test]
fn what_is_allowed_is_not_reported() {
    let exports = exports("pub use reader::{FitsReader, ImageSelector};\npub use error::{Error, Result};\n");
    for (path, source) in [
        ("format/card.rs", "use crate::{Error, Result};\nuse super::value::Value;"),
        ("image/read.rs", "//! See [`crate::FitsReader`].\nuse crate::directory::HduEntry; // not crate::io::file"),
        ("io/http/client.rs", "use hyper::body::Incoming;\nuse super::super::location::parse;"),
        ("fetch/queue.rs", "use tokio::sync::Semaphore;\nuse crate::engine::Op;"),
        ("cpu.rs", "use rayon::ThreadPool;"),
        ("image/read.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::io::MemoryFile;\n}\n"),
        ("image/read.rs", "let url = \"http://tokio\"; let n = u64::from(1); crate::error::Error::new();"),
        ("lib.rs", "mod engine;\npub use engine::Op;"),
    ] {
        assert_eq!(breaches(path, source, &exports), Vec::<String>::new(), "{path}: {source}");
    }
}
