"""What calls about pools and volumes cost a stock client: volumes.py URI MANY [WORK]. Prints one "name value" line a figure, in seconds.

MANY is a pool that is only looked at, WORK one that volumes are made in; without it only what an answering machine can say is asked.
"""
import sys
import time

import libvirt


def median(call, rounds):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    times.sort()
    return times[len(times) // 2]


def tell(name, value):
    print(name, value, flush=True)


libvirt.registerErrorHandler(lambda *_: None, None)
conn = libvirt.open(sys.argv[1])
many = conn.storagePoolLookupByName(sys.argv[2])
tell("volume_list", median(many.listAllVolumes, 15))
# The last one is found last by whoever looks at all.
tell("volume_lookup", median(lambda: many.storageVolLookupByName("v09999.qcow2"), 500))
if len(sys.argv) > 3:
    tell("pool_refresh", median(lambda: many.refresh(0), 5))
    work = conn.storagePoolLookupByName(sys.argv[3])
    xml = "<volume><name>%d</name><capacity unit='G'>8</capacity><target><format type='qcow2'/></target></volume>"
    start = time.perf_counter()
    made = [work.createXML(xml % number, 0) for number in range(100)]
    tell("volume_create", (time.perf_counter() - start) / len(made))
    start = time.perf_counter()
    for volume in made:
        volume.delete(0)
    tell("volume_delete", (time.perf_counter() - start) / len(made))
