/* SPDX-License-Identifier: MIT
 *
 * Questions to a resolver and its replies, as they stand in a datagram (RFC
 * 1035 §4): one question, no compression in it, and of what follows it EDNS
 * alone (RFC 6891). A reply has EDNS if the question has it, repeats its name
 * letter by letter, and is never cut off (TC): 8 addresses have room behind the
 * longest name without EDNS, 16 with it, and further ones are left out. That
 * there is nothing is said with an SOA of the root, whose last number is how
 * long that may be kept (RFC 2308).
 */
#ifndef WARREN_NODE_DNS_DNS_MESSAGE_H
#define WARREN_NODE_DNS_DNS_MESSAGE_H

#include "base/bytes.h"
#include "base/endpoint.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_PLAIN_MAX    512       /* bytes of a reply without EDNS */
#define DNS_DATAGRAM_MAX 1232      /* with it */
#define DNS_WIRE_MAX     (255 + 4) /* bytes of a question: name, type, class */
#define DNS_TEXT_SIZE    254       /* of a name, with the terminator */

#define DNS_TYPE_A     1
#define DNS_TYPE_PTR   12
#define DNS_TYPE_AAAA  28
#define DNS_TYPE_SVCB  64
#define DNS_TYPE_HTTPS 65
#define DNS_CLASS_IN   1

enum dns_rcode {
    DNS_RCODE_OK = 0,
    DNS_RCODE_FORMAT = 1,
    DNS_RCODE_FAILED = 2,
    DNS_RCODE_NO_NAME = 3,
    DNS_RCODE_NOT_IMPLEMENTED = 4,
    DNS_RCODE_BAD_VERSION = 16 /* of EDNS, which alone can say it */
};

struct dns_question {
    uint16_t id;
    uint8_t opcode;
    bool recursion; /* wanted */
    bool unchecked; /* CD: nothing needs to be proven; as it came */
    uint16_t type, class;
    uint8_t wire[DNS_WIRE_MAX]; /* as it came */
    size_t wire_len;            /* 0: none was understood */
    /* In lower case, without the dot of the root; empty when a label has a
     * byte in it that is no letter, digit, '-' or '_'. */
    char name[DNS_TEXT_SIZE];
    struct dns_edns {
        bool there;
        uint8_t version;
        bool proofs;   /* DO: wanted; as it came */
        uint16_t room; /* bytes of a reply */
    } edns;
};

struct dns_reply {
    enum dns_rcode code;
    uint32_t ttl;                 /* s, also of what there is not */
    const struct endpoint *addrs; /* those of the question's type are said */
    size_t count;
    struct bytes name; /* to PTR; empty: none */
};

/* ERR_MISSING (no header), ERR_UNKNOWN_KIND (no question, but a reply): to be
 * dropped. ERR_SYNTAX: to be answered by DNS_RCODE_FORMAT. */
enum error dns_question_read(struct bytes in, struct dns_question *out);

/* Returns the bytes written. */
size_t dns_reply_write(const struct dns_question *q, const struct dns_reply *r,
                       uint8_t out[DNS_DATAGRAM_MAX]);

/* A name that a reply can have: letters, digits, '-' and '_' in labels of 1 to
 * 63 bytes, 253 in all. */
bool dns_name_is_sound(struct bytes name);

/* "localhost" and what ends in it (RFC 6761 §6.3), which has these addresses.
 */
bool dns_name_is_localhost(const char *name);
extern const struct endpoint dns_localhost[FAMILIES];

bool dns_question_is_of_root(const struct dns_question *q);

/* "1.2.0.192.in-addr.arpa", and the nibbles of ip6.arpa. False: no address. */
bool dns_reverse_read(const char *name, struct endpoint *out);

#endif
