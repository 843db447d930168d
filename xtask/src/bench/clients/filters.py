# A filter of many rules put before ports, by the stock client: URI, rules, ports.
import libvirt, sys, time

uri, rules, ports = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
conn = libvirt.open(uri)

def document(first):
    # Each port of TCP may be reached by one subnet; nothing else may come in.
    body = "".join("<rule action='accept' direction='in' priority='100' statematch='false'><tcp srcipaddr='10.%d.%d.0' srcipmask='24' dstportstart='%d'/></rule>"
                   % (n >> 8, n & 255, first + n) for n in range(rules - 1))
    return """<filter name='bench' chain='root'><uuid>5c6d49af-b071-6127-b4ec-6f8ed4b55335</uuid>%s
<rule action='drop' direction='in' priority='900'><all/></rule></filter>""" % body

def binding(number):
    return """<filterbinding><owner><name>g%d</name><uuid>00000000-0000-0000-0000-%012d</uuid></owner><portdev name='p%d'/>
<mac address='52:54:00:00:00:%02x'/><filterref filter='bench'/></filterbinding>""" % (number, number + 1, number, number)

def clock(what):
    begin = time.perf_counter()
    what()
    return time.perf_counter() - begin

conn.nwfilterDefineXML(document(1000))
bound = []
def bind():
    for number in range(ports):
        bound.append(conn.nwfilterBindingCreateXML(binding(number), 0))
# Told for each port: the peer is measured at fewer of them, which is no harm to it, as its time for each grows with their number.
print("filter_bind", clock(bind) / ports)
print("filter_redefine", clock(lambda: conn.nwfilterDefineXML(document(2000))) / ports)
def unbind():
    for one in bound:
        one.delete()
print("filter_unbind", clock(unbind) / ports)
conn.nwfilterLookupByName("bench").undefine()
