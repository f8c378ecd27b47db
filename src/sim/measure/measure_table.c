/* SPDX-License-Identifier: MIT
 *
 * The measures: what a column, an axis and a line of the documentation say.
 * A name is a column of files that people keep, so it never changes.
 */
#include "sim/measure/measure.h"

const struct measure_row measure_rows[MEASURES] = {
    [M_NODES] = {"nodes", MEASURE_LEVEL, UNIT_ONE, "nodes present",
                 "Nodes that are in the network when the sample is taken."},
    [M_DATAGRAMS] = {"datagrams", MEASURE_COUNT, UNIT_ONE, "datagrams sent",
                     "Datagrams that all nodes sent, lost ones too."},
    [M_BYTES] = {"bytes", MEASURE_COUNT, UNIT_BYTES, "bytes sent",
                 "Bytes in those datagrams, without headers of UDP and IP."},
    [M_LOST] = {"lost", MEASURE_COUNT, UNIT_ONE, "datagrams lost",
                "Datagrams lost by chance, by a partition, or because an "
                "uplink had no room."},
    [M_NODE_DATAGRAMS] = {"node_datagrams", MEASURE_LEVEL, UNIT_RATE,
                          "datagrams sent a node and second",
                          "Datagrams sent since the last sample, "
                          "divided by the time that nodes were present."},
    [M_NODE_BYTES] = {"node_bytes", MEASURE_LEVEL, UNIT_BYTE_RATE,
                      "bytes sent a node and second",
                      "Bytes sent since the last sample, divided by "
                      "the time that nodes were present."},
    [M_LOOKUP_SUCCESS] = {"lookup_success", MEASURE_SHARE, UNIT_ONE,
                          "lookups that succeed",
                          "Share of the lookups of announced keys that found a "
                          "peer which announced it."},
    [M_LOOKUP_HOPS] = {"lookup_hops", MEASURE_VALUES, UNIT_ONE,
                       "hops of a lookup",
                       "Chain of nodes, each named by the one "
                       "before, to the one that gave the first value "
                       "or, of a lookup of a random id, to the "
                       "closest one; of lookups that succeed."},
    [M_LOOKUP_MESSAGES] = {"lookup_messages", MEASURE_VALUES, UNIT_ONE,
                           "queries of a lookup",
                           "Queries that a lookup sent until it ended."},
    [M_LOOKUP_TIMEOUTS] = {"lookup_timeouts", MEASURE_VALUES, UNIT_ONE,
                           "queries of a lookup without an answer",
                           "Queries of a lookup that were not answered "
                           "in time; those in flight when it ends are "
                           "none."},
    [M_LOOKUP_TIME] = {"lookup_time", MEASURE_VALUES, UNIT_TIME,
                       "time of a lookup",
                       "Time from the start of a lookup to its end, when the "
                       "closest nodes have answered."},
    [M_LOOKUP_FIRST] = {"lookup_first", MEASURE_VALUES, UNIT_TIME,
                        "time to the first peer found",
                        "Time from the start of a lookup to the first peer."},
    [M_CLOSEST_FOUND] = {"closest_found", MEASURE_SHARE, UNIT_ONE,
                         "true k closest nodes found",
                         "Of the k nodes closest to a lookup's target that are "
                         "present, honest and can be reached, the share that "
                         "the lookup found."},
    [M_LOOKUP_SEEN] = {"lookup_seen", MEASURE_SHARE, UNIT_ONE,
                       "lookups that the adversary sees",
                       "Share of the lookups that asked a hostile node, which "
                       "so learns the key and who wants it."},
    [M_JOIN_TIME] = {"join_time", MEASURE_VALUES, UNIT_TIME, "time to join",
                     "Time from a node's start to the first node in its "
                     "routing table."},
    [M_UPKEEP_BYTES] = {"upkeep_bytes", MEASURE_LEVEL, UNIT_BYTE_RATE,
                        "bytes of upkeep a node and second",
                        "Bytes that nodes send to keep their tables: pings, "
                        "find_nodes, and answers to those of others; of "
                        "sampled nodes, newcomers among them."},
    [M_UPKEEP_DATAGRAMS] = {"upkeep_datagrams", MEASURE_LEVEL, UNIT_RATE,
                            "datagrams of upkeep a node and second",
                            "Datagrams with those bytes."},
    [M_TABLE_NODES] = {"table_nodes", MEASURE_LEVEL, UNIT_MILLI,
                       "nodes in a routing table",
                       "Mean number of nodes in the routing tables "
                       "of 256 nodes."},
    [M_TABLE_STALE] = {"table_stale", MEASURE_SHARE, UNIT_ONE,
                       "routing table entries that are stale",
                       "Share of the entries in the routing tables "
                       "of 256 nodes whose node is not present under "
                       "that id and address."},
    [M_PEER_FINDABLE] = {"peer_findable", MEASURE_CURVE, UNIT_ONE,
                         "announced peers that can be found",
                         "Share of the peers announced once that a "
                         "lookup finds, by minutes since the "
                         "announcement."},
    [M_ITEM_SUCCESS] = {"item_success", MEASURE_SHARE, UNIT_ONE,
                        "gets of items that succeed",
                        "Share of the gets that returned the newest version "
                        "of the item."},
    [M_ITEM_TIME] = {"item_time", MEASURE_VALUES, UNIT_TIME,
                     "time of a get of an item",
                     "Time from the start of a get to its end."},
    [M_ITEM_FINDABLE] = {"item_findable", MEASURE_CURVE, UNIT_ONE,
                         "items that can be found",
                         "Share of the items put once that a get finds, by "
                         "minutes since the put."},
    [M_CIRCUIT_BUILT] = {"circuit_built", MEASURE_SHARE, UNIT_ONE,
                         "circuits that get ready",
                         "Share of the circuits that clients began for "
                         "data which got ready; the others failed "
                         "before. Those that a client gave up itself "
                         "are not counted."},
    [M_CIRCUIT_TIME] = {"circuit_time", MEASURE_VALUES, UNIT_TIME,
                        "time to build a circuit",
                        "Time from the first message of a circuit "
                        "until it is ready."},
    [M_CIRCUIT_FAILURES] = {"circuit_failures", MEASURE_REASONS, UNIT_ONE,
                            "failures of circuits",
                            "Hops at which circuits of clients failed, "
                            "for data or services, while they were built "
                            "or later, by reason; a circuit may fail at "
                            "several hops and be mended."},
    [M_CIRCUIT_BOTH_ENDS] = {"circuit_both_ends", MEASURE_SHARE, UNIT_ONE,
                             "circuits with both ends hostile",
                             "Share of the paths with which circuits of "
                             "clients got ready whose first and last hop "
                             "are the adversary's."},
    [M_CIRCUIT_FIRST] = {"circuit_first", MEASURE_SHARE, UNIT_ONE,
                         "circuits with a hostile first hop",
                         "Share of the paths with which circuits of "
                         "clients got ready whose first hop is the "
                         "adversary's."},
    [M_GUARD_HOSTILE] = {"guard_hostile", MEASURE_CURVE, UNIT_ONE,
                         "clients that have had a hostile guard",
                         "Share of the clients of whom a first hop has "
                         "been the adversary's, of a circuit of two "
                         "hops or more, by minutes since they came or "
                         "the adversary began."},
    [M_SECOND_KNOWN] = {"second_known", MEASURE_CURVE, UNIT_ONE,
                        "services with a known second hop",
                        "Share of the services and members of strings "
                        "whose second hop the adversary has come to "
                        "know: it has been the first, second or "
                        "third. By minutes since they came or the "
                        "adversary began."},
    [M_THIRD_KNOWN] = {"third_known", MEASURE_CURVE, UNIT_ONE,
                       "services with a known third hop",
                       "Share of the services and members of strings "
                       "whose third hop the adversary has come to "
                       "know: it has been the second, the third or "
                       "the target. By minutes since they came or "
                       "the adversary began."},
    [M_VIEW] = {"view", MEASURE_SHARE, UNIT_ONE, "relays known to a client",
                "Share of the relays present that a client "
                "knows; of up to 64 clients a sample."},
    [M_VIEW_HOSTILE] = {"view_hostile", MEASURE_SHARE, UNIT_ONE,
                        "hostile relays in a client's view",
                        "Share of the relays known to a client that "
                        "are the adversary's; of up to 64 clients a "
                        "sample."},
    [M_DATAGRAM_ANSWERED] = {"datagram_answered", MEASURE_SHARE, UNIT_ONE,
                             "datagrams answered through circuits",
                             "Share of the datagrams sent through circuits "
                             "whose answer came within 10 seconds."},
    [M_DATAGRAM_TIME] = {"datagram_time", MEASURE_VALUES, UNIT_TIME,
                         "round trip through a circuit",
                         "Time from sending a datagram through a circuit to "
                         "its answer."},
    [M_SERVICE_CONNECTED] = {"service_connected", MEASURE_SHARE, UNIT_ONE,
                             "connects to services that succeed",
                             "Share of the connects of clients to services "
                             "that got a channel within 2 minutes; of "
                             "services that had been there for 2 minutes."},
    [M_SERVICE_TIME] = {"service_time", MEASURE_VALUES, UNIT_TIME,
                        "time to connect to a service",
                        "Time from the start of a connect until the channel "
                        "is there."},
    [M_MEMBERS_FOUND] = {"members_found", MEASURE_SHARE, UNIT_ONE,
                         "pairs of members that have met",
                         "Share of the pairs of present members of a "
                         "string of which the one has had a channel "
                         "with the other; of up to 64 members a "
                         "sample."},
    [M_MEMBER_TIME] = {"member_time", MEASURE_VALUES, UNIT_TIME,
                       "time until a member is met",
                       "Time from a member's joining to its first "
                       "channel with another."},
};
