use super::*;

struct World {
    _dir: tempfile::TempDir,
    home: Home,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { home: Home::new(dir.path().join("home")), _dir: dir }
    }

    fn with(text: impl AsRef<[u8]>) -> Self {
        let world = Self::new();
        std::fs::create_dir(world.home.dir()).unwrap();
        std::fs::write(world.home.config(), text).unwrap();
        world
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.home.config()).unwrap()
    }

    /// What is wrong with the file, without its path; and the hint.
    #[track_caller]
    fn complaint(&self) -> (String, String) {
        let error = Settings::load(&self.home).unwrap_err();
        assert_eq!(error.class(), crate::Class::Usage);
        let path = self.home.config().display().to_string();
        (error.to_string().strip_prefix(&path).expect("it names the file").to_owned(), error.hint())
    }
}

#[test]
fn without_a_file_the_defaults_hold_and_none_is_made() {
    let world = World::new();
    let settings = Settings::load(&world.home).unwrap();
    assert_eq!(settings.max_age.duration(), Duration::from_secs(60));
    assert_eq!(settings.push, Push::Manual);
    assert_eq!(settings.fetch_timeout.duration(), Duration::from_secs(5));
    assert!(!unset(&world.home, "sync.push").unwrap());
    assert!(!world.home.dir().exists());
    assert_eq!(Settings::load(&World::with("").home).unwrap(), settings);
}

#[test]
fn what_is_set_is_in_force_and_what_is_unset_is_not() {
    let world = World::new();
    assert_eq!(set(&world.home, &Name::Key(Key::Push), "auto").unwrap(), "auto");
    assert_eq!(set(&world.home, &Name::Key(Key::MaxAge), "0").unwrap(), "0s");
    assert_eq!(set(&world.home, &Name::Key(Key::MaxAge), "005m").unwrap(), "5m");
    assert_eq!(world.text(), "sync.push: auto\nsync.max_age: 5m\n");
    let settings = Settings::load(&world.home).unwrap();
    assert_eq!((settings.push, settings.max_age.duration()), (Push::Auto, Duration::from_secs(300)));
    let set: Vec<bool> = all(&world.home).unwrap().iter().map(|entry| entry.is_set).collect();
    assert_eq!(set, [true, true, false]);
    assert!(unset(&world.home, "sync.push").unwrap());
    assert_eq!(world.text(), "sync.max_age: 5m\n");
    assert_eq!(Settings::load(&world.home).unwrap().push, Push::Manual);
}

#[test]
fn what_a_person_wrote_around_a_setting_stays() {
    let world = World::with("# slow network\r\nsync.fetch_timeout:   20s\n\n# ours\n#sync.push: auto");
    set(&world.home, &Name::Key(Key::FetchTimeout), "30s").unwrap();
    set(&world.home, &Name::Key(Key::Push), "manual").unwrap();
    assert_eq!(
        world.text(),
        "# slow network\nsync.fetch_timeout: 30s\n\n# ours\n#sync.push: auto\nsync.push: manual\n"
    );
    unset(&world.home, "sync.push").unwrap();
    assert!(world.text().contains("#sync.push: auto\n"));
}

#[cfg(unix)]
#[test]
fn the_file_is_private_and_a_link_is_replaced() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let world = World::with("");
    std::fs::remove_file(world.home.config()).unwrap();
    let elsewhere = world.home.dir().join("elsewhere");
    std::fs::write(&elsewhere, "sync.push: auto\n").unwrap();
    symlink(&elsewhere, world.home.config()).unwrap();
    set(&world.home, &Name::Key(Key::MaxAge), "1h").unwrap();
    assert_eq!(world.home.config().symlink_metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(std::fs::read_to_string(elsewhere).unwrap(), "sync.push: auto\n");
    assert_eq!(world.text(), "sync.push: auto\nsync.max_age: 1h\n");
}

#[test]
fn what_is_not_understood_is_told_with_its_line() {
    for (text, complaint, hint) in [
        ("\nsync.max_ag: 5m\n", ", line 2: there is no setting \"sync.max_ag\"", "did you mean \"sync.max_age\"?"),
        ("colour: red\n", ", line 1: there is no setting \"colour\"", "there are sync.max_age, sync.push, "),
        ("sync:\n  push: auto\n", ", line 1: there is no setting \"sync\"", "remove the line"),
        (" sync.push: auto\n", ", line 1: there is no setting \" sync.push\"", "did you mean \"sync.push\"?"),
        ("auto\n", ", line 1: this is no setting", "key: value"),
        ("sync.push: Auto\n", ", line 1: sync.push cannot be \"Auto\"", "give manual or auto"),
        ("sync.push: auto # now\n", ", line 1: sync.push cannot be \"auto # now\"", "give manual or auto"),
        ("sync.push:\n", ", line 1: sync.push cannot be \"\"", "give manual or auto"),
        ("sync.push: auto\nsync.push: auto\n", ", line 2: sync.push is set twice", "remove one"),
        ("#\nsync.push: a\u{202e}uto\n", ", line 2: this is no plain text", "defaults"),
    ] {
        let world = World::with(text);
        let told = world.complaint();
        assert_eq!(told.0, complaint);
        assert!(told.1.contains(hint), "{}", told.1);
        // Nothing is written into a file that is not understood.
        assert!(set(&world.home, &Name::Key(Key::MaxAge), "5m").is_err());
        assert_eq!(world.text(), text);
    }
    assert_eq!(World::with(b"#\n\xff\n").complaint().0, ", line 2: this is no plain text");
    assert_eq!(World::with("#".repeat(70_000)).complaint().0, " has more than 65536 bytes");
}

#[test]
fn a_line_that_is_not_understood_can_be_taken_out() {
    let world = World::with("sync.max_ag: 5m\nsync.push: always\nsync.push: auto\n");
    assert!(unset(&world.home, "sync.max_ag").unwrap());
    assert!(unset(&world.home, "sync.push").unwrap());
    assert_eq!(world.text(), "");
    assert!(
        matches!(unset(&world.home, "sync.max_ag"), Err(Error::NotFound { near: Some(near), .. }) if near == "sync.max_age")
    );
}

#[test]
fn a_span_is_a_whole_number_with_a_unit_and_within_its_bounds() {
    for (key, good) in [
        (Key::MaxAge, ["0", "0s", "60s", "5m", "12h", "30d"]),
        (Key::FetchTimeout, ["1s", "5s", "600s", "10m", "1m", "9m"]),
    ] {
        for value in good {
            assert!(Settings::default().take(&Name::Key(key), value).is_some(), "{value}");
        }
    }
    let bad = [
        "",
        "s",
        "5",
        "-5s",
        "+5s",
        "1.5h",
        "5 m",
        "5M",
        "5ms",
        "31d",
        "720h1s",
        "99999999999s",
        "4294967295d",
        "٥s",
        "5µ",
    ];
    for value in bad {
        assert!(Settings::default().take(&Name::Key(Key::MaxAge), value).is_none(), "{value}");
    }
    for value in ["0", "0s", "601s", "1h"] {
        assert!(Settings::default().take(&Name::Key(Key::FetchTimeout), value).is_none(), "{value}");
    }
}

#[test]
fn an_alias_is_an_absolute_path_or_an_address_and_is_listed_after_the_settings() {
    let world = World::new();
    let prod: Name = "vaults.prod".parse().unwrap();
    for (name, value) in [("vaults.prod", "/srv/prod"), ("vaults.far", "git@example.org:team/vault.git")] {
        assert_eq!(set(&world.home, &name.parse().unwrap(), value).unwrap(), value);
    }
    let settings = Settings::load(&world.home).unwrap();
    assert_eq!(settings.text(&prod).as_deref(), Some("/srv/prod"));
    let listed: Vec<String> = all(&world.home).unwrap().iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(listed[3..], ["vaults.far", "vaults.prod"]);
    for value in ["", "prod", "../prod", "/srv/a\nsync.push: auto", " /srv", "/srv\u{202e}"] {
        assert!(set(&world.home, &prod, value).is_err(), "{value:?}");
    }
    assert!(unset(&world.home, "vaults.prod").unwrap());
    assert!(!unset(&world.home, "vaults.prod").unwrap(), "an alias that is not set is no error");
    assert_eq!(world.text(), "vaults.far: git@example.org:team/vault.git\n");
    assert!("vaults.".parse::<Name>().is_err() && "vaults.a/b".parse::<Name>().is_err());
}
