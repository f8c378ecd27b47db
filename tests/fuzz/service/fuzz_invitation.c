/* SPDX-License-Identifier: MIT
 *
 * Invitations, by the first byte: 0, the 448 bytes as they come; else the text
 * inside, as somebody who knows the address can make it. What is taken
 * can be written again to the same, and is answered.
 */
#include "fuzz.h"

#include "tunnel/channel/invitation.h"
#include "tunnel/crypto/prologue.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static const uint8_t secret[32] = {7, 1}, ephemeral[32] = {9, 1};
static const uint8_t credential[32] = {5};
static uint8_t key[32];

static struct invitation_to to_us(void)
{
    return (struct invitation_to){.network = "test",
                                  .credential = credential,
                                  .key = key,
                                  .secret = secret};
}

static void check_same(const struct invitation *a, const struct invitation *b)
{
    assert(memcmp(a->cookie, b->cookie, sizeof(a->cookie)) == 0);
    assert(a->rendezvous.endpoint_count == b->rendezvous.endpoint_count);
    for (unsigned i = 0; i < a->rendezvous.endpoint_count; i++)
        assert(endpoint_equal(&a->rendezvous.endpoints[i],
                              &b->rendezvous.endpoints[i]));
    assert(memcmp(a->rendezvous.identity, b->rendezvous.identity, 32) == 0);
    assert(a->resume == b->resume && a->has_member == b->has_member);
    assert(memcmp(a->resume_id, b->resume_id, sizeof(a->resume_id)) == 0);
    assert(memcmp(a->member, b->member, sizeof(a->member)) == 0);
    assert(memcmp(a->mac, b->mac, sizeof(a->mac)) == 0);
    assert(a->greeting == b->greeting && a->flags == b->flags);
}

/* Both ends have the same keys, when the answer is as it was made. */
static void check_answer(struct noise *opener, struct noise *responder,
                         bool resumes)
{
    struct bytes answer;
    uint8_t noise2[MEETING_NOISE2_BYTES];
    struct channel_keys ours, theirs;
    bool resumed;

    answer = bytes_of(noise2, sizeof(noise2));
    assert(invitation_answer(responder, ephemeral, resumes, noise2, &theirs) ==
           OK);
    noise2[40] ^= 1;
    assert(invitation_answered(opener, answer, &resumed, &ours) ==
           ERR_SIGNATURE);
    noise2[40] ^= 1;
    assert(invitation_answered(opener, answer, &resumed, &ours) == OK);
    assert(resumed == resumes);
    assert(memcmp(ours.in, theirs.out, sizeof(ours.in)) == 0);
    assert(memcmp(ours.out, theirs.in, sizeof(ours.out)) == 0);
    assert(memcmp(ours.resume, theirs.resume, sizeof(ours.resume)) == 0);
}

static void check_taken(const struct invitation *i, bool testing)
{
    const struct invitation_to to = to_us();
    uint8_t noise1[MEETING_NOISE1_BYTES];
    struct noise opener, responder;
    struct invitation back;

    assert(i->rendezvous.endpoint_count >= 1);
    assert(invitation_write(i, &to, ephemeral, &opener, noise1) == OK);
    assert(invitation_read(noise1, &to, testing, &responder, &back) == OK);
    check_same(i, &back);
    check_answer(&opener, &responder, i->resume);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct invitation_to to = to_us();
    uint8_t noise1[MEETING_NOISE1_BYTES] = {0}, text[INVITATION_SEALED] = {0};
    struct invitation i;
    struct noise n;

    assert(sodium_init() >= 0);
    if (size == 0)
        return 0;
    noise_public_key(secret, key);
    if (data[0] == 0) {
        memcpy(noise1, data + 1,
               size - 1 < sizeof(noise1) ? size - 1 : sizeof(noise1));
    } else {
        memcpy(text, data + 1,
               size - 1 < sizeof(text) ? size - 1 : sizeof(text));
        prologue_init_noise(&n, "service", to.network, to.credential, to.key);
        assert(noise_write_first(&n, ephemeral, bytes_of(text, sizeof(text)),
                                 noise1) == OK);
        noise_deinit(&n);
    }
    if (invitation_read(noise1, &to, data[0] & 1, &n, &i) != OK)
        return 0;
    noise_deinit(&n);
    check_taken(&i, data[0] & 1);
    return 0;
}
