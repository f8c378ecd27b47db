/* SPDX-License-Identifier: MIT
 *
 * What who wants to meet a service, or a member of a string, says to it: in an
 * INTRODUCE through an introduction point, or in a MOVE on the channel that is
 * there. It is the first message of the handshake "service" (crypto/noise.h),
 *
 *     noise1   e 32 | sealed 400 | tag 16                           448 bytes
 *     sealed   [1, cookie 16, rendezvous point, resume 0 or 16, M 0 or 32,
 *               mac 0 or 16, greeting, flags], zeros behind it
 *     prologue ["warren", 1, "service", network, credential]
 *
 * with the service key of the point, or the member's M, as the responder's
 * static key. The credential follows from the address, or from the string: who
 * does not know it cannot make a tag that holds. The answer is the second
 * message, in JOIN:
 *
 *     noise2   e 32 | sealed 16 | tag 16                             64 bytes
 *     sealed   resumed 1 | zeros
 *
 * `mac` proves to a member that M is the opener's (record/topic.h). `greeting`
 * is when what the opener knows of the other end was issued (its descriptor or
 * entry), or what that one asked to hear (MEETING_AGAIN).
 */
#ifndef WARREN_TUNNEL_CHANNEL_INVITATION_H
#define WARREN_TUNNEL_CHANNEL_INVITATION_H

#include "tunnel/channel/channel.h"
#include "tunnel/meeting/meeting_message.h"
#include "tunnel/record/member_proof.h"
#include "tunnel/record/relay_target.h"

#define INVITATION_SEALED 400
#define INVITATION_PROBE  1 /* flag: nobody is to come, to be answered only */

struct invitation {
    uint8_t cookie[MEETING_COOKIE_BYTES];
    struct relay_target rendezvous;
    bool resume;
    uint8_t resume_id[CHANNEL_RESUME_BYTES];
    bool has_member;
    uint8_t member[NOISE_KEY_BYTES];
    uint8_t mac[MEMBER_MAC_BYTES];
    uint32_t greeting;
    uint8_t flags;
};

/* The end that is asked for: who it is, and what one has to know. `secret` is
 * NULL on the opener's side. */
struct invitation_to {
    const char *network;
    const uint8_t *credential; /* 32 */
    const uint8_t *key;        /* public, 32 */
    const uint8_t *secret;     /* 32 */
};

/* `n` is for invitation_answered, or noise_deinit. ERR_RANGE: a key that no
 * honest party has. */
enum error invitation_write(const struct invitation *i,
                            const struct invitation_to *to,
                            const uint8_t ephemeral[NOISE_KEY_BYTES],
                            struct noise *n,
                            uint8_t noise1[MEETING_NOISE1_BYTES]);
/* `n` is for invitation_answer, or noise_deinit; only when OK. ERR_SIGNATURE
 * (whoever made it does not know the credential, or the key),
 * ERR_UNSUPPORTED (another version), ERR_TRAILING, those of
 * relay_target_read and mp_reader. */
enum error invitation_read(const uint8_t noise1[MEETING_NOISE1_BYTES],
                           const struct invitation_to *to, bool testing,
                           struct noise *n, struct invitation *out);

/* The responder's second message, and the keys that follow. Ends `n`. */
enum error invitation_answer(struct noise *n,
                             const uint8_t ephemeral[NOISE_KEY_BYTES],
                             bool resumed, uint8_t noise2[MEETING_NOISE2_BYTES],
                             struct channel_keys *keys);
/* The opener reads it. ERR_SIGNATURE: not by the other end; `n` is as before
 * then, else it is ended. */
enum error invitation_answered(struct noise *n, struct bytes noise2,
                               bool *resumed, struct channel_keys *keys);

#endif
