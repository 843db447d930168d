# Networks made, started and stopped, by the stock client: URI, how many times, how many ports to list.
import libvirt, sys, time

uri, times, ports = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
conn = libvirt.open(uri)

def clock(what):
    begin = time.perf_counter()
    what()
    return time.perf_counter() - begin

def median(values):
    return sorted(values)[len(values) // 2]

net = conn.networkDefineXML("""<network><name>bench</name><forward mode='nat'/><bridge name='virbrb'/>
<ip address='192.168.131.1' netmask='255.255.255.0'><dhcp><range start='192.168.131.2' end='192.168.131.254'/></dhcp></ip></network>""")
both = []
starts = []
for _ in range(times):
    starts.append(clock(net.create))
    both.append(starts[-1] + clock(net.destroy))
print("network_start", median(starts))
print("network_start_stop", median(both))
if ports:
    net.create()
    for number in range(ports):
        net.portCreateXML("""<networkport><owner><name>g%d</name><uuid>00000000-0000-0000-0000-%012d</uuid></owner>
<mac address='52:54:00:00:%02x:%02x'/></networkport>""" % (number, number + 1, number >> 8, number & 255))
    listed = []
    for _ in range(21):
        listed.append(clock(net.listAllPorts))
    assert len(net.listAllPorts()) == ports
    print("network_ports", median(listed))
    net.destroy()
net.undefine()
