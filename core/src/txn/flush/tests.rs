//! A flush itself cannot be seen without cutting the power; that each file is reached can.

use super::*;

/// A folder with some files, and the path of one that no flush can reach: a file lies where its folder should.
fn folder(count: usize) -> (tempfile::TempDir, Vec<PathBuf>, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..count).map(|number| dir.path().join(number.to_string())).collect();
    paths.iter().for_each(|path| std::fs::write(path, "content").unwrap());
    let unreachable = paths[0].join("below a file");
    (dir, paths, unreachable)
}

#[test]
fn what_is_there_is_flushed_and_what_is_gone_is_passed_over() {
    let (dir, mut paths, _) = folder(3);
    paths.push(dir.path().join("gone"));
    files(dir.path(), &paths).unwrap();
    named(&paths[0]).unwrap();
    named(&dir.path().join("gone")).unwrap();
    parent(&paths[0]).unwrap();
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_flushed_is_an_error_however_few_there_are() {
    let (dir, mut paths, unreachable) = folder(3);
    assert!(named(&unreachable).is_err());
    assert!(parent(&dir.path().join("no folder").join("file")).is_err());
    paths.push(unreachable);
    assert!(matches!(files(dir.path(), &paths), Err(Error::Io { action: "flush", .. })));
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_opened_is_not_taken_for_flushed() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, paths, _) = folder(1);
    std::fs::set_permissions(&paths[0], std::fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser may open it nevertheless.
    assert_eq!(named(&paths[0]).is_ok(), File::open(&paths[0]).is_ok());
}

#[cfg(target_os = "linux")]
#[test]
fn one_flush_for_all_counts_only_where_all_lie_on_that_file_system() {
    let (dir, mut paths, unreachable) = folder(MANY);
    assert!(whole(dir.path(), &paths));
    files(dir.path(), &paths).unwrap();
    let elsewhere = Path::new("/proc");
    assert!(!whole(elsewhere, &paths));
    assert!(!whole(&dir.path().join("no folder"), &paths));
    // So each is flushed on its own.
    files(elsewhere, &paths).unwrap();
    paths.push(unreachable);
    assert!(files(elsewhere, &paths).is_err());
}

#[cfg(not(target_os = "linux"))]
#[test]
fn where_there_is_no_flush_for_all_each_file_is_flushed_on_its_own() {
    let (dir, paths, _) = folder(MANY);
    assert!(!whole(dir.path(), &paths));
    files(dir.path(), &paths).unwrap();
}
