/* SPDX-License-Identifier: MIT
 *
 * Reading into buffers that have room for trains, of which the kernel tells
 * the length of a datagram (UDP_GRO) beside the address that was asked
 * (IP_PKTINFO), and giving back the memory that trains have touched.
 */
#include "node/net/udp_batch.h"

#include "node/os/sockaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A train has up to 64 KiB. The rest keeps the beginnings of the buffers from
 * sharing a place in the processor's caches. */
#define BUFFER_SIZE (66 * 1024)
#define BUFFERS_LEN ((size_t)UDP_BATCH * BUFFER_SIZE)
#define PAGE        4096

#define FEW        4 /* messages, the least that are asked for */
#define LONG_TRAIN (16 * 1024)
#define KEPT       8 /* buffers whose memory stays until it rests */
_Static_assert((size_t)KEPT *BUFFER_SIZE % PAGE == 0, "whole pages");
_Static_assert(BUFFERS_LEN % PAGE == 0, "whole pages");

enum error udp_batch_init(struct udp_batch *b)
{
    /* A block of this size is mapped and costs nothing until it is used. */
    b->buffers = aligned_alloc(PAGE, BUFFERS_LEN);
    b->count = 0;
    b->had_trains = false;
    return b->buffers == NULL ? ERR_NO_MEMORY : OK;
}

void udp_batch_deinit(struct udp_batch *b)
{
    free(b->buffers);
    b->buffers = NULL;
}

static uint8_t *buffer_at(const struct udp_batch *b, unsigned i)
{
    return b->buffers + (size_t)i * BUFFER_SIZE;
}

bool udp_batch_receive(struct udp_batch *b, int fd, unsigned ask)
{
    int r;

    for (unsigned i = 0; i < ask; i++) {
        b->parts[i] = (struct iovec){buffer_at(b, i), BUFFER_SIZE};
        b->messages[i].msg_hdr = (struct msghdr){
            .msg_name = &b->from[i],
            .msg_namelen = sizeof(b->from[i]),
            .msg_iov = &b->parts[i],
            .msg_iovlen = 1,
            .msg_control = b->controls[i].space,
            .msg_controllen = sizeof(b->controls[i].space),
        };
    }
    do
        r = recvmmsg(fd, b->messages, ask, MSG_DONTWAIT, NULL);
    while (r < 0 && errno == EINTR);
    b->count = r > 0 ? (unsigned)r : 0;
    return r > 0;
}

static void read_segment(const struct cmsghdr *c, struct udp_message *out)
{
    int segment;

    memcpy(&segment, CMSG_DATA(c), sizeof(segment));
    if (segment > 0 && (size_t)segment < out->len)
        out->segment = (size_t)segment;
}

/* Not the address that a broadcast or a multicast went to: that is no place
 * to answer from. */
static void read_at(const struct cmsghdr *c, struct udp_message *out)
{
    struct in_pktinfo in;
    struct in6_pktinfo in6;

    if (c->cmsg_level == IPPROTO_IP) {
        memcpy(&in, CMSG_DATA(c), sizeof(in));
        memcpy(out->at, &in.ipi_spec_dst, sizeof(in.ipi_spec_dst));
        out->has_at = true;
    } else {
        memcpy(&in6, CMSG_DATA(c), sizeof(in6));
        memcpy(out->at, &in6.ipi6_addr, sizeof(in6.ipi6_addr));
        out->has_at = !IN6_IS_ADDR_MULTICAST(&in6.ipi6_addr) &&
                      !IN6_IS_ADDR_LINKLOCAL(&in6.ipi6_addr);
    }
}

static void read_control(struct msghdr *m, struct udp_message *out)
{
    struct cmsghdr *c;

    out->segment = out->len; /* a datagram that is alone */
    out->has_at = false;
    for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
            read_segment(c, out);
        else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) ||
                 (c->cmsg_level == IPPROTO_IPV6 &&
                  c->cmsg_type == IPV6_PKTINFO))
            read_at(c, out);
    }
}

bool udp_batch_message(struct udp_batch *b, unsigned i, struct udp_message *out,
                       enum udp_drop *why)
{
    struct msghdr *m = &b->messages[i].msg_hdr;

    if ((m->msg_flags & MSG_TRUNC) != 0) {
        *why = UDP_RECEIVED_TOO_LONG;
        return false;
    }
    if (sockaddr_to_endpoint(m->msg_name, &out->from) != OK) {
        *why = UDP_RECEIVE_ERROR;
        return false;
    }
    out->p = buffer_at(b, i);
    out->len = b->messages[i].msg_len;
    read_control(m, out);
    return true;
}

bool udp_batch_has(const struct udp_batch *b, const uint8_t *p)
{
    uintptr_t at = (uintptr_t)p, begin = (uintptr_t)b->buffers;

    return at >= begin && at < begin + BUFFERS_LEN;
}

/* Of the buffers from `first` on. */
static bool has_long_train(const struct udp_batch *b, unsigned first)
{
    for (unsigned i = first; i < b->count; i++) {
        if (b->messages[i].msg_len > LONG_TRAIN)
            return true;
    }
    return false;
}

static void give_back(struct udp_batch *b, unsigned first)
{
    size_t kept = (size_t)first * BUFFER_SIZE;

    madvise(b->buffers + kept, BUFFERS_LEN - kept, MADV_DONTNEED);
}

unsigned udp_batch_end(struct udp_batch *b, unsigned datagrams)
{
    unsigned ask = UDP_BATCH * b->count / datagrams;

    b->had_trains = b->had_trains || has_long_train(b, 0);
    if (has_long_train(b, KEPT))
        give_back(b, KEPT);
    return ask < FEW ? FEW : ask;
}

bool udp_batch_rest(struct udp_batch *b)
{
    bool rested = !b->had_trains;

    b->had_trains = false;
    if (rested)
        give_back(b, 0);
    return rested;
}
