/* SPDX-License-Identifier: MIT
 *
 * The one list of what can go wrong, with a text for people and a short name
 * for metrics. Zero is success; out-parameters change only on success.
 */
#ifndef WARREN_BASE_ERROR_H
#define WARREN_BASE_ERROR_H

enum error {
    OK = 0,

    /* A datagram or value from outside is not what it must be. */
    ERR_NOT_MSGPACK,  /* truncated, an unknown byte, or an unused type */
    ERR_NOT_BENCODE,  /* truncated, or not in its one form */
    ERR_TRAILING,     /* bytes after the one object of a datagram */
    ERR_TOO_DEEP,     /* containers nested past the limit */
    ERR_TOO_LARGE,    /* a length or a count past its limit */
    ERR_WRONG_TYPE,   /* a field of another msgpack type */
    ERR_WRONG_LENGTH, /* a string field of another length */
    ERR_RANGE,        /* an integer outside its range */
    ERR_MISSING,      /* a field that this message must have is absent */
    ERR_UNSORTED,     /* dictionary keys not strictly ascending */
    ERR_REPEATED,     /* a key that is there twice */
    ERR_SALT,         /* a salt of more than 64 bytes, BEP 44 */
    ERR_UNKNOWN_KIND, /* no such message kind */
    ERR_NETWORK,      /* a message of a network of another name */
    ERR_ADDRESS,      /* a source that nobody can have: port 0, multicast */

    /* A well-formed message that this node will not act upon. */
    ERR_UNEXPECTED,   /* an answer that matches no question of ours */
    ERR_RATE_LIMITED, /* its source, or everybody, sends too much */
    ERR_TOKEN,        /* a write token that is wrong or too old */
    ERR_SIGNATURE,    /* a signature that does not verify */
    ERR_CAS,          /* compare-and-swap: seq is not the expected one */
    ERR_SEQ,          /* seq is lower than the stored one, or taken */
    ERR_EXPIRED,      /* signed for a time that is over */
    ERR_FUTURE,       /* signed for a time to come: whose clock is wrong? */
    ERR_FULL,         /* a table at its cap */

    /* What a caller of ours asked for cannot be had. */
    ERR_SYNTAX,      /* text that is not a number, address, id, ... */
    ERR_NOT_FOUND,   /* no such entry */
    ERR_TIMEOUT,     /* nobody answered in time */
    ERR_CANCELLED,   /* ended by us before it was done */
    ERR_NO_NODES,    /* nobody is known to ask */
    ERR_UNREACHABLE, /* this machine has no route to there */
    ERR_FORBIDDEN,   /* a firewall of this machine lets nothing out to there */
    ERR_NO_MEMORY,   /* an allocation failed */
    ERR_NO_SPACE,    /* a buffer or the disk is full */
    ERR_IO,          /* the operating system reported an error */
    ERR_CORRUPT,     /* a file that fails its integrity check */
    ERR_IN_USE,      /* another process holds it */
    ERR_UNSUPPORTED, /* known, but not by this version or this build */
    ERR_REMOTE,      /* the other side answered with an error */
    ERR_END_         /* count of codes; not an error */
};

/* A sentence fragment for people: "write token is wrong or too old". */
const char *error_text(enum error e);

/* A name for metrics and JSON: "token". Lower case and underscores. */
const char *error_name(enum error e);

#endif
