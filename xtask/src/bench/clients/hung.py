"""Calls while the storage of one pool hangs: hung.py URI OTHER HUNG. Prints "others SECONDS" and "hung SECONDS" lines, one a call.

OTHER is used in every way; the pool HUNG is only looked at, as the deadline of its storage is what a change of it takes.
"""
import sys
import threading
import time

import libvirt


def timed(kind, call):
    start = time.perf_counter()
    result = call()
    print(kind, time.perf_counter() - start, flush=True)
    return result


def refresh():
    try:
        libvirt.open(uri).storagePoolLookupByName(sys.argv[3]).refresh(0)
    except libvirt.libvirtError:
        pass


libvirt.registerErrorHandler(lambda *_: None, None)
uri = sys.argv[1]
conn = libvirt.open(uri)
other, hung = conn.storagePoolLookupByName(sys.argv[2]), conn.storagePoolLookupByName(sys.argv[3])
stuck = hung.storageVolLookupByName("a.img")
xml = "<volume><name>v</name><capacity unit='M'>1</capacity><target><format type='%s'/></target></volume>"
# Somebody waits for the pool that hangs all the while.
threading.Thread(target=refresh, daemon=True).start()
for number in range(200):
    made = timed("others", lambda: other.createXML(xml % ("qcow2" if number % 2 else "raw"), 0))
    timed("others", other.listAllVolumes)
    timed("others", made.info)
    timed("others", made.XMLDesc)
    timed("others", lambda: made.resize(2 << 20, 0) if number % 2 == 0 else None)
    timed("others", lambda: other.refresh(0))
    timed("others", lambda: made.delete(0))
    timed("others", conn.listAllStoragePools)
    timed("hung", hung.info)
    timed("hung", hung.XMLDesc)
    timed("hung", hung.listAllVolumes)
    timed("hung", stuck.info)
    timed("hung", stuck.XMLDesc)
    timed("hung", lambda: conn.storageVolLookupByPath(stuck.path()))
start = time.perf_counter()
hung.destroy()
print("destroy", time.perf_counter() - start, flush=True)
