use super::*;
use crate::metadata::Tombstone;
use crate::root::VaultId;
use crate::yaml::Document;

const META: &str = "version: 1
vault: \"663c8fc3-a54b-87f6-af61-a85f773c542d\"
name: a/b
group: a
revision: REVISION
value_revision: VALUE
parents: PARENTS
created: 2026-11-22T10:01:00Z
rotated: ROTATED
authorized_agents: []
agents: []
recipients: RECIPIENTS
exposed_to: EXPOSED
digest: \"sha256:CIPHER\"
";

/// A document of `a/b`.
struct Draft {
    revision: u64,
    value: u64,
    parents: Vec<Digest>,
    rotated: u64,
    recipients: &'static str,
    exposed: &'static str,
    cipher: u64,
}

fn draft(revision: u64, value: u64, parents: &[&Doc]) -> Draft {
    let parents = parents.iter().map(|doc| doc.digest).collect();
    Draft {
        revision,
        value,
        parents,
        rotated: value,
        recipients: "[aaaaaaaaaaaaaaaa]",
        exposed: "[]",
        cipher: revision,
    }
}

impl Draft {
    fn meta(self) -> Doc {
        let text = META
            .replace("REVISION", &self.revision.to_string())
            .replace("VALUE", &self.value.to_string())
            .replace("PARENTS", &crate::yaml::flow(&self.parents))
            .replace("ROTATED", &format!("2026-11-22T10:{:02}:00Z", self.rotated))
            .replace("RECIPIENTS", self.recipients)
            .replace("EXPOSED", self.exposed)
            .replace("CIPHER", &format!("{:064x}", self.cipher));
        let vault: VaultId = "663c8fc3-a54b-87f6-af61-a85f773c542d".parse().unwrap();
        let metadata = Metadata::parse(text.as_bytes(), vault, &"a/b".parse().unwrap()).unwrap();
        Doc { digest: Digest::of(text.as_bytes()), record: Record::Meta(Box::new(metadata)) }
    }
}

fn gone(of: &Doc) -> Doc {
    let tombstone = Tombstone::of(of.metadata().unwrap(), of.digest);
    Doc { digest: Digest::of(tombstone.render().as_bytes()), record: Record::Gone(tombstone) }
}

#[track_caller]
fn refused(new: &Doc, olds: &[&Doc], why: &str) {
    let reason = secret(Some(new), olds).unwrap_err();
    assert!(reason.contains(why), "{reason}");
}

#[test]
fn every_change_that_the_program_makes_follows() {
    let first = draft(1, 1, &[]).meta();
    let set = draft(2, 2, &[&first]).meta();
    let again = Draft { cipher: 9, ..draft(3, 2, &[&set]) }.meta();
    let removed = gone(&again);
    let remade = draft(5, 5, &[&removed]).meta();
    for (new, olds) in [
        (&first, vec![]),
        (&set, vec![&first]),
        (&again, vec![&set]),
        (&removed, vec![&again]),
        (&remade, vec![&removed]),
    ] {
        assert_eq!(secret(Some(new), &olds), Ok(Fit::default()));
    }
    let moved = draft(4, 2, &[]).meta();
    assert_eq!(secret(Some(&moved), &[]), Ok(Fit { after: vec![], moved: true }));
}

#[test]
fn a4_what_goes_back_forks_or_vanishes_is_named() {
    let first = draft(1, 1, &[]).meta();
    let second = draft(2, 2, &[&first]).meta();
    let fork = Draft { cipher: 7, ..draft(2, 2, &[&first]) }.meta();
    refused(&first, &[&second], "went back");
    refused(&first, &[&gone(&second)], "went back");
    refused(&fork, &[&second], "another document with revision 2");
    refused(&draft(3, 3, &[&first]).meta(), &[&second], "does not replace");
    refused(&draft(3, 3, &[]).meta(), &[&second], "does not name");
    refused(&draft(4, 3, &[&second]).meta(), &[&second], "was to follow");
    refused(&gone(&second), &[], "names as its parent");
    assert!(secret(None, &[&second]).unwrap_err().contains("no signed tombstone"));
}

#[test]
fn a9_a_value_neither_falls_nor_forgets_who_could_read_it() {
    let keys = "[aaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbb]";
    let old = Draft { recipients: keys, ..draft(2, 2, &[]) }.meta();
    refused(&draft(3, 1, &[&old]).meta(), &[&old], "value 1 took the place of value 2");
    refused(&draft(3, 4, &[&old]).meta(), &[&old], "value_revision is 4");
    refused(&draft(3, 2, &[&old]).meta(), &[&old], "forgets that the key bbbbbbbbbbbbbbbb");
    let exposed = "[\"ci@bbbbbbbbbbbbbbbb\"]";
    let revoked = Draft { exposed, ..draft(3, 2, &[&old]) }.meta();
    assert_eq!(secret(Some(&revoked), &[&old]), Ok(Fit::default()));
    refused(&Draft { cipher: 3, ..draft(4, 2, &[&revoked]) }.meta(), &[&revoked], "forgets");
    refused(&Draft { exposed, cipher: 2, ..draft(3, 2, &[&old]) }.meta(), &[&old], "other recipients");
    refused(&Draft { cipher: 2, recipients: keys, ..draft(3, 3, &[&old]) }.meta(), &[&old], "is the old one");
    refused(&Draft { rotated: 5, recipients: keys, ..draft(3, 2, &[&old]) }.meta(), &[&old], "another time");
}

#[test]
fn a_merge_names_one_parent_and_must_come_after_the_others() {
    let first = draft(1, 1, &[]).meta();
    let (ours, theirs) = (draft(2, 2, &[&first]).meta(), Draft { cipher: 7, ..draft(2, 2, &[&first]) }.meta());
    let both = Draft { cipher: 8, ..draft(3, 3, &[&ours, &theirs]) }.meta();
    assert_eq!(secret(Some(&both), &[&ours, &theirs]), Ok(Fit::default()));
    let one = draft(3, 3, &[&ours]).meta();
    let fit = secret(Some(&one), &[&ours, &theirs]).unwrap();
    assert_eq!(fit.after, vec![theirs.digest]);
}

#[test]
fn a_tombstone_is_signed_anew_as_the_next_one_and_in_no_other_way() {
    let first = draft(1, 1, &[]).meta();
    let buried = gone(&first);
    let renewed = |of: &Doc, by: u64| {
        let Record::Gone(old) = &of.record else { panic!("no tombstone") };
        let mut next = old.renewed(of.digest);
        next.revision += by;
        Doc { digest: Digest::of(next.render().as_bytes()), record: Record::Gone(next) }
    };
    assert_eq!(secret(Some(&renewed(&buried, 0)), &[&buried]), Ok(Fit::default()));
    assert!(secret(Some(&renewed(&buried, 1)), &[&buried]).unwrap_err().contains("was to follow"));
    assert!(secret(Some(&renewed(&renewed(&buried, 0), 0)), &[&buried]).unwrap_err().contains("names as its parent"));
    assert!(secret(Some(&renewed(&buried, 0)), &[]).is_err());
    assert!(secret(Some(&buried), &[&renewed(&buried, 0)]).unwrap_err().contains("went back"));
}

#[test]
fn of_secrets_that_left_and_look_alike_one_must_have_been_what_arrived() {
    let keys = "[aaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbb]";
    let of = |draft: Draft| draft.meta().metadata().unwrap().clone();
    let named = |name: &str, draft: Draft| Metadata { name: name.parse().unwrap(), ..of(draft) };
    // Both were made in one second; one key could read one of them only.
    let left = [named("a/open", Draft { recipients: keys, ..draft(1, 1, &[]) }), named("a/closed", draft(1, 1, &[]))];
    let new = named("b/closed", draft(2, 1, &[]));
    assert_eq!(arrival(&new, 0, &left), Ok(()));
    assert!(arrival(&new, 0, &left[..1]).unwrap_err().contains("forgets that the key bbbbbbbbbbbbbbbb"));
    assert!(arrival(&new, 4, &left).unwrap_err().contains("continue nothing"));
}
