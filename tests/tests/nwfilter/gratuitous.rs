//! Messages of ARP in which a guest tells its own address, apart from others by a kernel that cannot compare fields.

use super::Host;

/// A gratuitous message, and others whose addresses differ in one byte alone, whichever.
const MESSAGES: &str = "arp(own, own, '10.7.0.2', 'gratuitous', '10.7.0.2')\n\
    for place in range(4):\n\
    \x20   target = [10, 7, 0, 2]; target[place] ^= 1 << (2 * place)\n\
    \x20   arp(own, own, '10.7.0.2', 'other%d' % place, '.'.join(map(str, target)))\n\
    arp(own, own, '255.128.64.32', 'of-all-bits', '255.128.64.32')\n\
    arp(own, own, '10.7.0.2', 'question')\n";

const GRATUITOUS: [&str; 2] = ["gratuitous", "of-all-bits"];
const OTHERS: [&str; 5] = ["other0", "other1", "other2", "other3", "question"];

#[test]
fn gratuitous_arp_is_told_apart_whichever_byte_differs() {
    let host = Host::new();
    let with = |rule: &str| {
        let file = host.instance.file(
            "filter.xml",
            &format!("<filter name='told-apart' chain='arp'>{rule}</filter>"),
        );
        host.instance.virsh(&["nwfilter-define", &file]);
        assert!(host.bind("told-apart"));
        let heard = host.arrive_of(MESSAGES);
        host.instance.virsh(&["nwfilter-binding-delete", "vnet0"]);
        host.instance.virsh(&["nwfilter-undefine", "told-apart"]);
        heard
    };
    let rule = |action: &str, match_: &str| {
        format!("<rule action='{action}' direction='out'><arp {match_} gratuitous='true'/></rule>")
    };
    let dropped = "<rule action='drop' direction='out' priority='900'><arp/></rule>";
    assert_eq!(with(&rule("drop", "")), OTHERS);
    assert_eq!(with(&rule("drop", "match='no'")), GRATUITOUS);
    assert_eq!(with(&(rule("accept", "") + dropped)), GRATUITOUS);
    assert_eq!(with(&(rule("return", "match='no'") + dropped)), OTHERS);
    let both = rule("drop", "").replace("direction='out'", "direction='inout'");
    assert_eq!(with(&both), OTHERS);
    assert_eq!(
        with("<rule action='drop' direction='out'><arp gratuitous='false' opcode='1'/></rule>").len(),
        7
    );
}
