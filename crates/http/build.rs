//! Puts the web page into the program: every file of `ui/dist`, compressed.
//!
//! Input: `ui/dist`, as `make ui` leaves it; a `.gz` beside a file is taken as it is, a `.br` left out. Output: `assets.rs` with a table
//! of the files. Without `ui/dist` the table is empty and the server says how to get the page; the script then runs at
//! every build, so that the page is found as soon as it is there.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../../ui/dist");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let mut files = Vec::new();
    println!("cargo::rerun-if-changed=build.rs");
    if root.join("index.html").is_file() {
        println!("cargo::rerun-if-changed={}", root.display());
        collect(&root, &mut files)?;
    } else {
        println!("cargo::rerun-if-changed={}", root.join("index.html").display());
    }
    files.sort();
    let mut table = String::from("&[\n");
    for (number, file) in files.iter().enumerate() {
        let name = file.strip_prefix(&root).expect("found below it").to_str().expect("names are UTF-8");
        let compressed = out.join(format!("{number}.gz"));
        let plain = fs::read(file)?;
        fs::write(&compressed, gzip(file, &plain)?)?;
        let mut hash = DefaultHasher::new();
        hash.write(&plain);
        let (path, length) = (format!("/{name}"), plain.len());
        writeln!(
            table,
            "    Asset {{ path: {path:?}, length: {length}, tag: \"\\\"{:016x}\\\"\", gzip: include_bytes!({compressed:?}) }},",
            hash.finish()
        )
        .expect("writing into a String does not fail");
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_none_or(|extension| extension != "gz" && extension != "br") {
            files.push(path);
        }
    }
    Ok(())
}

fn gzip(file: &Path, plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut sibling = file.as_os_str().to_owned();
    sibling.push(".gz");
    if let Ok(compressed) = fs::read(sibling) {
        return Ok(compressed);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain)?;
    encoder.finish()
}
