//! E3: a disk that fills up in the middle of a merge, for real: on a small file system.
#![cfg(target_os = "linux")]

mod support;
mod support_mounts;

use support::{Clones, Done, head};
use support_mounts::{Place, fill, mount, place};

/// Where a sync stopped.
#[derive(Default, Debug)]
struct Stops {
    /// Git could not store what it fetched.
    fetching: usize,
    /// The merge could not be stored: nobody had heard of it.
    storing: usize,
    /// The hub had taken it, and journal or files here had no room.
    placing: usize,
}

/// Why it stopped is told.
#[track_caller]
fn says_that_the_disk_is_full(done: &Done) {
    let said = done.err();
    assert!(said.contains("No space left on device") || said.contains("disk full"), "{done}");
    assert!(said.contains("\nhint: "), "{done}");
}

#[test]
fn e3_a_disk_with_room_for_a_part_of_a_merge_only_loses_nothing() {
    if !matches!(place("e3_a_disk_with_room_for_a_part_of_a_merge_only_loses_nothing"), Place::Here) {
        return;
    }
    let clones = Clones::of_one_owner(2);
    clones[0].set("of/first", vec![b'1'; 20_000]);
    clones[0].run("revoke ci stripe").ok();
    clones[0].run("sync").ok();
    clones[1].set("of/second", vec![b'2'; 20_000]);
    clones[1].set("stripe/new", "to be encrypted anew");
    let machine = clones[1].repo.parent().expect("a machine's folder").to_path_buf();
    let (filler, outside) = (machine.join("filler"), clones[0].root.display());
    let (here, hub) = (machine.display(), clones.hub.dir.display());
    clones[0].sh(&format!("cp -a {here} {outside}/machine.saved; cp -a {hub} {outside}/hub.saved"));
    mount(&["-t", "tmpfs", "-o", "size=16m", "none"], &machine);
    let (before, tip) = (head(&clones[0]), clones.hub.tip(&clones[0]));
    assert_eq!(before, tip);
    let (mut room, mut went_well, mut stops) = (0, 0, Stops::default());
    while went_well < 3 {
        assert!(room < 400, "it needs no more than that: {stops:?}");
        clones[0].sh(&format!(
            "find {here} -mindepth 1 -delete; cp -a {outside}/machine.saved/. {here}/; rm -rf {hub}; cp -a {outside}/hub.saved {hub}"
        ));
        let before = head(&clones[1]);
        fill(&filler, room);
        let done = clones[1].run("sync");
        std::fs::remove_file(&filler).expect("room again");
        let (now, taken) = (head(&clones[1]), clones.hub.tip(&clones[0]));
        match done.code {
            Some(0) => went_well += 1,
            Some(8) => {
                says_that_the_disk_is_full(&done);
                stops.fetching += 1;
            }
            Some(1) => {
                says_that_the_disk_is_full(&done);
                if taken == tip { stops.storing += 1 } else { stops.placing += 1 }
            }
            _ => panic!("room for {room} pages: {done}"),
        }
        // Whatever it came to: the branch is where it was, or has the merge, and what is here is read.
        assert!(now == before || clones[1].git("rev-parse HEAD^1 HEAD~2").contains(&before), "{room}: {done}");
        for (name, value) in [("of/second", vec![b'2'; 20_000]), ("stripe/new", b"to be encrypted anew".to_vec())] {
            clones[1].run(&format!("get {name} --offline")).ok().prints(value);
        }
        clones[1].run("sync").ok();
        if taken != tip {
            assert_eq!(clones.hub.tip(&clones[0]), taken, "{room}: what the hub has is taken, and not made again");
        }
        assert_eq!(clones[1].run("get of/first --offline").ok().out, vec![b'1'; 20_000], "{room}");
        clones[1].run("verify").ok();
        assert_eq!(clones[1].git("status --porcelain"), "", "{room}");
        let left = clones[1].sh("find .git -name '*.lock'; find .git/agent-vault -mindepth 1 -name 'scratch*'");
        assert_eq!(left, "", "{room}: nothing is left behind");
        room += 3;
    }
    assert!(stops.fetching > 0 && stops.storing > 0 && stops.placing > 0, "{stops:?}");
    clones.settle();
}
