"""A volume filled and read by a stock client: transfers.py URI POOL VOLUME LENGTH. Prints "upload SECONDS" and "download SECONDS"."""
import sys
import time

import libvirt

conn = libvirt.open(sys.argv[1])
volume = conn.storagePoolLookupByName(sys.argv[2]).storageVolLookupByName(sys.argv[3])
length = int(sys.argv[4])
# As much as virsh passes on at once.
piece = b"x" * (256 * 1024)
start = time.perf_counter()
stream = conn.newStream(0)
volume.upload(stream, 0, length, 0)
left = length
while left:
    left -= stream.send(piece[:left])
stream.finish()
print("upload", time.perf_counter() - start)
start = time.perf_counter()
stream = conn.newStream(0)
volume.download(stream, 0, length, 0)
left = length
while data := stream.recv(len(piece)):
    left -= len(data)
stream.finish()
assert left == 0, left
print("download", time.perf_counter() - start)
