"""What calls cost a stock client: calls.py URI DOMAINS. Prints one "name value" line a figure, in seconds.

With 0 domains nothing is defined: those that are there are listed.
"""
import sys
import time
import uuid

import libvirt

XML = """<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/nowhere/{name}.img'/><target dev='vda' bus='virtio'/></disk>
<interface type='user'><mac address='{mac}'/><model type='virtio'/></interface><serial type='pty'/><memballoon model='virtio'/></devices></domain>"""


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


def once():
    libvirt.open(uri).close()


uri, count = sys.argv[1], int(sys.argv[2])
libvirt.registerErrorHandler(lambda *_: None, None)
conn = libvirt.open(uri)
if count:
    start = time.perf_counter()
    conn.getCapabilities()
    tell("capabilities_first", time.perf_counter() - start)
tell("trivial_call", median(conn.getLibVersion, 3000))
tell("open_close", median(once, 100))
domains = []
start = time.perf_counter()
for number in range(count):
    mac = "52:54:00:%02x:%02x:%02x" % (number >> 16, (number >> 8) & 255, number & 255)
    domains.append(conn.defineXML(XML.format(name="bench%05d" % number, uuid=uuid.uuid4(), mac=mac)))
if count:
    tell("define", (time.perf_counter() - start) / count)
tell("list", median(conn.listAllDomains, 20))
tell("stats", median(lambda: conn.getAllDomainStats(0, 0), 10))
