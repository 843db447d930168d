use super::*;
use crate::cpuid::Source;
use crate::tree::Tree;

fn tree() -> Tree {
    let tree = Tree::new(&[]);
    let put = |name: &str, text: &str| tree.put(&format!("{FOLDER}/{name}"), text.as_bytes());
    put(
        "index.xml",
        "<cpus><arch name='x86'><include filename='v.xml'/><include filename='../../../../etc/x'/>
         <group name='g'><include filename='f.xml'/><include filename='a.xml'/></group></arch>
         <arch name='arm'/></cpus>",
    );
    put("v.xml", "<cpus><vendor name='AMD' string='AuthenticAMD'/></cpus>");
    put(
        "f.xml",
        "<cpus>
         <feature name='sse4.1'><alias name='sse4-1' source='qemu'/><cpuid eax_in='1' ecx='0x1'/></feature>
         <feature name='cmp_legacy'><cpuid eax_in='1' ecx='0x2'/></feature>
         <feature name='vme'><cpuid eax_in='1' edx='0x4'/></feature>
         <feature name='rdctl-no'><msr index='0x10a' edx='0' eax='0x1'/></feature></cpus>",
    );
    put(
        "a.xml",
        "<cpus><model name='plain'><feature name='vme'/></model>
         <model name='rich'><signature family='25' model='1' stepping='0-2'/><vendor name='AMD'/>
           <feature name='vme'/><feature name='sse4.1'/><feature name='cmp_legacy' added='yes'/></model>
         <model name='rich-v1'><decode host='on' guest='off'/><model name='rich'/></model></cpus>",
    );
    tree
}

#[test]
fn bits_get_names_and_names_get_a_model() {
    let leaf = Registers {
        ecx: 3,
        edx: 4,
        ..Registers::default()
    };
    let first = Registers {
        eax: 1,
        ..Registers::default()
    };
    let tree = tree();
    let host = tree
        .host()
        .with_cpuid(Source::table([((0, 0), first), ((1, 0), leaf)].into()));
    let catalogue = host.catalogue().unwrap();
    let features = catalogue.of_host(&host);
    assert_eq!(
        features,
        catalogue.set(["sse4-1", "cmp-legacy", "vme", "unheard-of"])
    );
    let named = catalogue.name_host(&features, Some("AMD"), None).unwrap();
    assert_eq!((named.model, named.require), ("rich-v1", vec!["cmp_legacy"]));
    let other = catalogue.name_host(&features, Some("Intel"), None).unwrap();
    assert_eq!(
        (other.model, other.require),
        ("plain", vec!["sse4.1", "cmp_legacy"])
    );
}

#[test]
fn a_guest_may_lack_what_the_model_of_its_signature_has() {
    let tree = tree();
    let catalogue = tree.host().catalogue().unwrap();
    let signature = Some(Signature {
        family: 25,
        model: 1,
        stepping: 1,
    });
    let named = catalogue
        .name_guest(&catalogue.set(["vme"]), Some("AMD"), signature, |_| {
            Some(FeatureSet::default())
        })
        .unwrap();
    assert_eq!(
        (named.model, named.disable),
        ("rich", vec!["sse4.1", "cmp_legacy"])
    );
    let newer = Some(Signature {
        family: 25,
        model: 1,
        stepping: 3,
    });
    let named = catalogue
        .name_guest(&catalogue.set(["vme"]), Some("AMD"), newer, |_| {
            Some(FeatureSet::default())
        })
        .unwrap();
    assert_eq!(named.model, "plain");
    assert_eq!(
        catalogue.name_guest(&catalogue.set([]), Some("AMD"), None, |_| None),
        None
    );
}

#[test]
fn without_the_package_there_is_no_catalogue() {
    assert!(Tree::new(&[]).host().catalogue().is_none());
    let broken = Tree::new(&[("usr/share/libvirt/cpu_map/index.xml", "<cpus>")]);
    assert!(broken.host().catalogue().is_none());
}
