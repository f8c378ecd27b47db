/* SPDX-License-Identifier: MIT
 *
 * One message of each kind of BEP 5, 32, 42, 43, 44 and 51, with its exact
 * bytes, the bencoding that it stands for, and what is read from it. The ids
 * are those of the examples in BEP 5; all bytes are printable but for the
 * heads of msgpack.
 */
#ifndef WARREN_TESTS_DHT_MESSAGE_EXAMPLES_H
#define WARREN_TESTS_DHT_MESSAGE_EXAMPLES_H

#include "wire/krpc/dht_message.h"

struct example {
    const char *name;
    const char *bencode;
    const char *wire; /* no byte of it is 0 */
    struct dht_message m;
};

/* clang-format off */
#define TEXT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
#define PEER4(bytes, number) \
    {.addr = bytes, .port = number, .family = FAMILY_IPV4}
#define PEER6(bytes, number) \
    {.addr = bytes, .port = number, .family = FAMILY_IPV6}
#define HELLO {14, "\304\014Hello World!"}
#define DICTIONARY {11, "\202\241a\222\001\376\241b\304\001c"}
#define KEY (const uint8_t *)"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define SIGNATURE (const uint8_t *) \
    "ssssssssssssssssssssssssssssssss" "ssssssssssssssssssssssssssssssss"

static const struct example examples[] = {
    {"ping",
     .bencode =
     "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe",
     .wire =
     "\204\241a\201\242id\304\024abcdefghij0123456789\241q\244ping\241t"
     "\304\002aa\241y\241q",
     .m = {.kind = DHT_QUERY, .id = {"abcdefghij0123456789"},
           .transaction = TEXT("aa"), .method = DHT_PING,
           .has = DHT_HAS_ID}},
    {"ping_response",
     .bencode =
     "d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
     .wire =
     "\203\241r\201\242id\304\024mnopqrstuvwxyz123456\241t\304\002aa\241"
     "y\241r",
     .m = {.kind = DHT_RESPONSE, .id = {"mnopqrstuvwxyz123456"},
           .transaction = TEXT("aa"), .has = DHT_HAS_ID}},
    {"error",
     .bencode =
     "d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
     .wire =
     "\203\241e\222\314\311\267A Generic Error Ocurred\241t\304\002aa"
     "\241y\241e",
     .m = {.kind = DHT_ERROR, .transaction = TEXT("aa"),
           .error_code = DHT_ERROR_GENERIC,
           .error_text = TEXT("A Generic Error Ocurred")}},
    {"find_node",
     .bencode =
     "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:"
     "q9:find_node1:t2:aa1:y1:qe",
     .wire =
     "\204\241a\202\242id\304\024abcdefghij0123456789\246target\304\024m"
     "nopqrstuvwxyz123456\241q\251find_node\241t\304\002aa\241y\241q",
     .m = {.kind = DHT_QUERY, .id = {"abcdefghij0123456789"},
           .transaction = TEXT("aa"), .method = DHT_FIND_NODE,
           .has = DHT_HAS_ID | DHT_HAS_TARGET,
           .target = {"mnopqrstuvwxyz123456"}}},
    {"find_node_response",
     .bencode =
     "d1:rd2:id20:mnopqrstuvwxyz1234565:nodes52:mnopqrstuvwxyz123456axje"
     ".u0123456789abcdefghijidhtnme1:t2:aa1:y1:re",
     .wire =
     "\203\241r\202\242id\304\024mnopqrstuvwxyz123456\245nodes\3044mnopq"
     "rstuvwxyz123456axje.u0123456789abcdefghijidhtnm\241t\304\002aa\241"
     "y\241r",
     .m = {.kind = DHT_RESPONSE, .id = {"mnopqrstuvwxyz123456"},
           .transaction = TEXT("aa"), .has = DHT_HAS_ID | DHT_HAS_NODES,
           .nodes = TEXT("mnopqrstuvwxyz123456axje.u"
                         "0123456789abcdefghijidhtnm")}},
    {"get_peers",
     .bencode =
     "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456"
     "e1:q9:get_peers1:t2:aa1:y1:qe",
     .wire =
     "\204\241a\202\242id\304\024abcdefghij0123456789\251info_hash\304"
     "\024mnopqrstuvwxyz123456\241q\251get_peers\241t\304\002aa\241y\241"
     "q",
     .m = {.kind = DHT_QUERY, .id = {"abcdefghij0123456789"},
           .transaction = TEXT("aa"), .method = DHT_GET_PEERS,
           .has = DHT_HAS_ID | DHT_HAS_TARGET,
           .target = {"mnopqrstuvwxyz123456"}}},
    {"padded",
     .bencode =
     "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456"
     "3:pad4:ppppe1:q9:get_peers1:t2:aa1:y1:qe",
     .wire =
     "\204\241a\203\242id\304\024abcdefghij0123456789\251info_hash\304"
     "\024mnopqrstuvwxyz123456\243pad\304\004pppp\241q\251get_peers\241t"
     "\304\002aa\241y\241q",
     .m = {.kind = DHT_QUERY, .id = {"abcdefghij0123456789"},
           .transaction = TEXT("aa"), .method = DHT_GET_PEERS,
           .has = DHT_HAS_ID | DHT_HAS_TARGET, .padding = TEXT("pppp"),
           .target = {"mnopqrstuvwxyz123456"}}},
    {"get_peers_response_values",
     .bencode =
     "d1:rd2:id20:mnopqrstuvwxyz1234565:nodes26:mnopqrstuvwxyz123456axje"
     ".u5:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
     .wire =
     "\203\241r\204\242id\304\024mnopqrstuvwxyz123456\245nodes\304\032mn"
     "opqrstuvwxyz123456axje.u\245token\304\010aoeusnth\246values\222"
     "\304\006axje.u\304\006idhtnm\241t\304\002aa\241y\241r",
     .m = {.kind = DHT_RESPONSE, .id = {"mnopqrstuvwxyz123456"},
           .transaction = TEXT("aa"),
           .has = DHT_HAS_ID | DHT_HAS_TOKEN | DHT_HAS_VALUES | DHT_HAS_NODES,
           .token = TEXT("aoeusnth"), .value_count = 2,
           .values = {PEER4("axje", 0x2e75), PEER4("idht", 0x6e6d)},
           .nodes = TEXT("mnopqrstuvwxyz123456axje.u")}},
    {"get_peers_response_nodes",
     .bencode =
     "d1:rd2:id20:mnopqrstuvwxyz1234565:nodes52:mnopqrstuvwxyz123456axje"
     ".u0123456789abcdefghijidhtnm5:token8:aoeusnthe1:t2:aa1:y1:re",
     .wire =
     "\203\241r\203\242id\304\024mnopqrstuvwxyz123456\245nodes\3044mnopq"
     "rstuvwxyz123456axje.u0123456789abcdefghijidhtnm\245token\304\010ao"
     "eusnth\241t\304\002aa\241y\241r",
     .m = {.kind = DHT_RESPONSE, .id = {"mnopqrstuvwxyz123456"},
           .transaction = TEXT("aa"),
           .has = DHT_HAS_ID | DHT_HAS_TOKEN | DHT_HAS_NODES,
           .token = TEXT("aoeusnth"),
           .nodes = TEXT("mnopqrstuvwxyz123456axje.u"
                         "0123456789abcdefghijidhtnm")}},
    {"announce_peer",
     .bencode =
     "d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mn"
     "opqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_pee"
     "r1:t2:aa1:y1:qe",
     .wire =
     "\204\241a\205\242id\304\024abcdefghij0123456789\254implied_port"
     "\001\251info_hash\304\024mnopqrstuvwxyz123456\244port\315\032\341"
     "\245token\304\010aoeusnth\241q\255announce_peer\241t\304\002aa\241"
     "y\241q",
     .m = {.kind = DHT_QUERY, .id = {"abcdefghij0123456789"},
           .transaction = TEXT("aa"), .method = DHT_ANNOUNCE_PEER,
           .has = DHT_HAS_ID | DHT_HAS_TARGET | DHT_HAS_PORT | DHT_HAS_TOKEN,
           .target = {"mnopqrstuvwxyz123456"}, .implied_port = true,
           .port = 6881, .token = TEXT("aoeusnth")}},
    {"want_both",
     .bencode =
     "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:w"
     "antl2:n42:n6ee1:q9:find_node1:t2:aa1:y1:qe",
     .wire =
     "\204\241a\203\242id\304\024abcdefghij0123456789\246target\304\024m"
     "nopqrstuvwxyz123456\244want\222\242n4\242n6\241q\251find_node\241t"
     "\304\002aa\241y\241q",
     .m = {.kind = DHT_QUERY, .id = {"abcdefghij0123456789"},
           .transaction = TEXT("aa"), .method = DHT_FIND_NODE,
           .has = DHT_HAS_ID | DHT_HAS_TARGET | DHT_HAS_WANT,
           .target = {"mnopqrstuvwxyz123456"}, .want = {true, true}}},
    {"nodes6_response",
     .bencode =
     "d1:rd2:id20:mnopqrstuvwxyz1234565:nodes26:mnopqrstuvwxyz123456axje"
     ".u6:nodes638:mnopqrstuvwxyz123456fedcba9876543210hie1:t2:aa1:y1:re",
     .wire =
     "\203\241r\203\242id\304\024mnopqrstuvwxyz123456\245nodes\304\032mn"
     "opqrstuvwxyz123456axje.u\246nodes6\304&mnopqrstuvwxyz123456fedcba9"
     "876543210hi\241t\304\002aa\241y\241r",
     .m = {.kind = DHT_RESPONSE, .id = {"mnopqrstuvwxyz123456"},
           .transaction = TEXT("aa"),
           .has = DHT_HAS_ID | DHT_HAS_NODES | DHT_HAS_NODES6,
           .nodes = TEXT("mnopqrstuvwxyz123456axje.u"),
           .nodes6 = TEXT("mnopqrstuvwxyz123456fedcba9876543210hi")}},
    {"values6_response",
     .bencode =
     "d1:rd2:id20:mnopqrstuvwxyz1234565:token8:aoeusnth6:valuesl18:fedcb"
     "a9876543210hiee1:t2:aa1:y1:re",
     .wire =
     "\203\241r\203\242id\304\024mnopqrstuvwxyz123456\245token\304\010ao"
     "eusnth\246values\221\304\022fedcba9876543210hi\241t\304\002aa\241y"
     "\241r",
     .m = {.kind = DHT_RESPONSE, .id = {"mnopqrstuvwxyz123456"},
           .transaction = TEXT("aa"),
           .has = DHT_HAS_ID | DHT_HAS_TOKEN | DHT_HAS_VALUES,
           .token = TEXT("aoeusnth"), .value_count = 1,
           .values = {PEER6("fedcba9876543210", 0x6869)}}},
    {"external_ip",
     .bencode =
     "d2:ip6:axje.u1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
     .wire =
     "\204\242ip\304\006axje.u\241r\201\242id\304\024mnopqrstuvwxyz12345"
     "6\241t\304\002aa\241y\241r",
     .m = {.kind = DHT_RESPONSE, .id = {"mnopqrstuvwxyz123456"},
           .transaction = TEXT("aa"), .has = DHT_HAS_ID | DHT_HAS_IP,
           .ip = PEER4("axje", 0x2e75)}},
    {"read_only",
     .bencode =
     "d1:ad2:id20:abcdefghij0123456789e1:n4:test1:q4:ping2:roi1e1:t2:aa1"
     ":v4:WR011:y1:qe",
     .wire =
     "\207\241a\201\242id\304\024abcdefghij0123456789\241n\244test\241q"
     "\244ping\242ro\001\241t\304\002aa\241v\304\004WR01\241y\241q",
     .m = {.kind = DHT_QUERY, .id = {"abcdefghij0123456789"},
           .transaction = TEXT("aa"), .method = DHT_PING, .has = DHT_HAS_ID,
           .read_only = true, .version = TEXT("WR01"),
           .network = TEXT("test")}},
    {"get",
     .bencode =
     "d1:ad2:id20:abcdefghij01234567893:seqi4e6:target20:mnopqrstuvwxyz1"
     "23456e1:q3:get1:t2:aa1:y1:qe",
     .wire =
     "\204\241a\203\242id\304\024abcdefghij0123456789\243seq\004\246targ"
     "et\304\024mnopqrstuvwxyz123456\241q\243get\241t\304\002aa\241y\241"
     "q",
     .m = {.kind = DHT_QUERY, .id = {"abcdefghij0123456789"},
           .transaction = TEXT("aa"), .method = DHT_GET,
           .has = DHT_HAS_ID | DHT_HAS_TARGET | DHT_HAS_SEQ,
           .target = {"mnopqrstuvwxyz123456"}, .seq = 4}},
    {"get_response_immutable",
     .bencode =
     "d1:rd2:id20:mnopqrstuvwxyz1234565:nodes26:mnopqrstuvwxyz123456axje"
     ".u5:token8:aoeusnth1:v12:Hello World!e1:t2:aa1:y1:re",
     .wire =
     "\203\241r\204\242id\304\024mnopqrstuvwxyz123456\245nodes\304\032mn"
     "opqrstuvwxyz123456axje.u\245token\304\010aoeusnth\241v\304\014Hell"
     "o World!\241t\304\002aa\241y\241r",
     .m = {.kind = DHT_RESPONSE, .id = {"mnopqrstuvwxyz123456"},
           .transaction = TEXT("aa"),
           .has = DHT_HAS_ID | DHT_HAS_TOKEN | DHT_HAS_VALUE | DHT_HAS_NODES,
           .token = TEXT("aoeusnth"),
           .nodes = TEXT("mnopqrstuvwxyz123456axje.u"), .value = HELLO}},
    {"get_response_mutable",
     .bencode =
     "d1:rd2:id20:mnopqrstuvwxyz1234561:k32:kkkkkkkkkkkkkkkkkkkkkkkkkkkk"
     "kkkk5:nodes26:mnopqrstuvwxyz123456axje.u3:seqi300e3:sig64:ssssssss"
     "ssssssssssssssssssssssssssssssssssssssssssssssssssssssss5:token8:a"
     "oeusnth1:v12:Hello World!e1:t2:aa1:y1:re",
     .wire =
     "\203\241r\207\242id\304\024mnopqrstuvwxyz123456\241k\304 kkkkkkkkk"
     "kkkkkkkkkkkkkkkkkkkkkkk\245nodes\304\032mnopqrstuvwxyz123456axje.u"
     "\243seq\315\001,\243sig\304@ssssssssssssssssssssssssssssssssssssss"
     "ssssssssssssssssssssssssss\245token\304\010aoeusnth\241v\304\014He"
     "llo World!\241t\304\002aa\241y\241r",
     .m = {.kind = DHT_RESPONSE, .id = {"mnopqrstuvwxyz123456"},
           .transaction = TEXT("aa"),
           .has = DHT_HAS_ID | DHT_HAS_TOKEN | DHT_HAS_KEY | DHT_HAS_SEQ |
               DHT_HAS_SIGNATURE | DHT_HAS_VALUE | DHT_HAS_NODES,
           .token = TEXT("aoeusnth"),
           .nodes = TEXT("mnopqrstuvwxyz123456axje.u"), .key = KEY,
           .seq = 300, .signature = SIGNATURE, .value = HELLO}},
    {"put_immutable",
     .bencode =
     "d1:ad2:id20:abcdefghij01234567895:token8:aoeusnth1:v12:Hello World"
     "!e1:q3:put1:t2:aa1:y1:qe",
     .wire =
     "\204\241a\203\242id\304\024abcdefghij0123456789\245token\304\010ao"
     "eusnth\241v\304\014Hello World!\241q\243put\241t\304\002aa\241y"
     "\241q",
     .m = {.kind = DHT_QUERY, .id = {"abcdefghij0123456789"},
           .transaction = TEXT("aa"), .method = DHT_PUT,
           .has = DHT_HAS_ID | DHT_HAS_TOKEN | DHT_HAS_VALUE,
           .token = TEXT("aoeusnth"), .value = HELLO}},
    {"put_mutable",
     .bencode =
     "d1:ad3:casi299e2:id20:abcdefghij01234567891:k32:kkkkkkkkkkkkkkkkkk"
     "kkkkkkkkkkkkkk4:salt6:foobar3:seqi300e3:sig64:ssssssssssssssssssss"
     "ssssssssssssssssssssssssssssssssssssssssssss5:token8:aoeusnth1:vd1"
     ":ali1ei-2ee1:b1:cee1:q3:put1:t2:aa1:y1:qe",
     .wire =
     "\204\241a\210\243cas\315\001+\242id\304\024abcdefghij0123456789"
     "\241k\304 kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\244salt\304\006foobar"
     "\243seq\315\001,\243sig\304@ssssssssssssssssssssssssssssssssssssss"
     "ssssssssssssssssssssssssss\245token\304\010aoeusnth\241v\202\241a"
     "\222\001\376\241b\304\001c\241q\243put\241t\304\002aa\241y\241q",
     .m = {.kind = DHT_QUERY, .id = {"abcdefghij0123456789"},
           .transaction = TEXT("aa"), .method = DHT_PUT,
           .has = DHT_HAS_ID | DHT_HAS_TOKEN | DHT_HAS_CAS | DHT_HAS_KEY |
               DHT_HAS_SALT | DHT_HAS_SEQ | DHT_HAS_SIGNATURE | DHT_HAS_VALUE,
           .token = TEXT("aoeusnth"), .cas = 299, .key = KEY,
           .salt = TEXT("foobar"), .seq = 300, .signature = SIGNATURE,
           .value = DICTIONARY}},
    {"sample_infohashes",
     .bencode =
     "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:"
     "q17:sample_infohashes1:t2:aa1:y1:qe",
     .wire =
     "\204\241a\202\242id\304\024abcdefghij0123456789\246target\304\024m"
     "nopqrstuvwxyz123456\241q\261sample_infohashes\241t\304\002aa\241y"
     "\241q",
     .m = {.kind = DHT_QUERY, .id = {"abcdefghij0123456789"},
           .transaction = TEXT("aa"), .method = DHT_SAMPLE_INFOHASHES,
           .has = DHT_HAS_ID | DHT_HAS_TARGET,
           .target = {"mnopqrstuvwxyz123456"}}},
    {"sample_infohashes_response",
     .bencode =
     "d1:rd2:id20:mnopqrstuvwxyz1234568:intervali21600e5:nodes26:mnopqrs"
     "tuvwxyz123456axje.u3:numi16909060e7:samples40:abcdefghij0123456789"
     "mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
     .wire =
     "\203\241r\205\242id\304\024mnopqrstuvwxyz123456\250interval\315T`"
     "\245nodes\304\032mnopqrstuvwxyz123456axje.u\243num\316\001\002\003"
     "\004\247samples\304(abcdefghij0123456789mnopqrstuvwxyz123456\241t"
     "\304\002aa\241y\241r",
     .m = {.kind = DHT_RESPONSE, .id = {"mnopqrstuvwxyz123456"},
           .transaction = TEXT("aa"),
           .has = DHT_HAS_ID | DHT_HAS_INTERVAL | DHT_HAS_NODES | DHT_HAS_NUM |
               DHT_HAS_SAMPLES,
           .interval = 21600, .nodes = TEXT("mnopqrstuvwxyz123456axje.u"),
           .num = 16909060,
           .samples = TEXT("abcdefghij0123456789mnopqrstuvwxyz123456")}},
};
/* clang-format on */

#endif
