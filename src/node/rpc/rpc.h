/* SPDX-License-Identifier: MIT
 *
 * The methods of the control socket. Each takes a map of parameters and
 * answers with a map; names are those of the command line:
 *
 *     status
 *     cancel         call
 *     events                              kinds, timeout
 *     dht.nodes
 *     dht.ping       address
 *     dht.find_node  target               trace, stream
 *     dht.get_peers  target               no_seeds, trace, stream
 *     dht.scrape     target               trace, stream
 *     dht.announce   target               port, seed, trace, stream
 *     dht.published
 *     dht.withdraw   target
 *     dht.get        target               salt, trace, stream
 *     dht.put        value                key, signature, seq; salt, cas;
 *                                         trace, stream
 *     dht.sample     address              target
 *     dht.ask        address, target
 *     tunnel.peers                        after
 *     tunnel.circuits
 *     tunnel.build      hops              count, timeout, stream
 *     tunnel.stop       hops
 *     tunnel.send       hops, to, data    timeout, stream
 *     tunnel.ping       circuit           timeout
 *     tunnel.speedtest  hops              duration, timeout, stream
 *     tunnel.close      circuit
 *     tunnel.active     hops
 *     tunnel.data       to, data          circuit, type
 *     service.list
 *     service.show      name
 *     service.peers                       name
 *     service.new       name              service
 *     service.remove    name
 *     service.access    name
 *     service.allow     name, label
 *     service.disallow  name, label
 *     service.export    name
 *     service.import    name, line
 *     service.register  service           hops, access, timeout
 *     service.receive                     name, timeout
 *     service.connect   to, address       hops, access, timeout
 *     service.send      to, data          hops, access, wait, timeout
 *     service.size      service           hops, timeout
 *     service.probe     name              timeout
 *     socks.open        hops              name
 *     stream.connect    to                hops, isolation, timeout, credit,
 *                                         access
 *     stream.write      call, data
 *     stream.read       call, credit
 *     stream.shutdown   call
 *     stream.reset      call
 *     stream.listen     service, port     timeout
 *     stream.accept     visit             credit
 *     stream.refuse     visit
 *
 * What stands after the gap is optional. Each method of the DHT takes
 * `mainline` too, which has the mainline DHT asked. With `trace` the answer has
 * `steps`; with `stream`, "step", "peer" and "item" come as notifications
 * meanwhile; from tunnels "waiting" and "speedtest". `timeout` and `duration`
 * are ms.
 *
 * events, service.register, receive and connect tell what happens as
 * notifications "peer", "data", "gone", "state" and "listening", and are
 * answered when the `timeout` is over, if there is one.
 *
 * socks.open is a proxy for one program, with a user and a password of its own
 * (notification "listening"), until its client leaves. Those with the same
 * `name` share circuits; without one nobody shares them.
 *
 * A new method is a row in the table of rpc.c and a function, declared in
 * rpc_internal.h; a new parameter is a row in rpc_params.c.
 */
#ifndef WARREN_NODE_RPC_RPC_H
#define WARREN_NODE_RPC_RPC_H

#include "base/error.h"
#include "node/control/control_server.h"
#include "node/host/node.h"

struct rpc;

enum error rpc_new(struct node *node, struct rpc **out);
/* After the control server, which cancels what runs. */
void rpc_free(struct rpc *rpc);

/* The handler of the control server; `arg` is the rpc. */
void rpc_call(void *arg, struct control_call *call, struct bytes method,
              struct mp_reader *params);

#endif
