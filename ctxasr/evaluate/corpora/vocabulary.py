"""What is said and named in the dialogues that are drawn: names, rooms, places, songs, answers.

All of it was written for this package. Lists are split into halves by `halves`: what the rescorer
was fitted on, and what it never met.
"""

from __future__ import annotations

from typing import Final

from ctxasr.evaluate.corpora.halves import Half

GIVEN: Final = """meg bob alice priya omar chloe dmitri fatima george hannah ivan julia kenji lucia
marcus nadia oliver petra quentin rosa samir tara ulrich vera walter ximena yusuf zoe aaron bianca
carlos diana ethan freya gavin heidi ian jasmine kyle leila miguel nina oscar paula raj simone tomas
ursula victor wendy ana ben clara doug emma felix grace hugo iris jack karen liam mona ned olga
pablo rita stefan tina umberto valerie will yara zack amir beth cole dana eli faye glenn hope
ingrid joel kate leon mia nate opal phil ruth sean thea uma vince wanda xavier yvonne
zane""".split()
FAMILY: Final = """bauer jones power miller nguyen okafor schmidt garcia patel kowalski hughes
tanaka rossi dubois larsen novak fischer murphy kelly singh chen rivera weber costa moretti ivanov
haddad silva brandt kim walsh ortiz becker lund petrov ahmed keller flores vogel grant hayes burke
stone reed wolfe marsh frost lane dixon palmer archer baker carter dunn ellis foley gibbs hale
irving jarvis klein lowe mason nash owens parks quinn ross sharp tate upton vance wade yates
zimmer abbott boyd cruz drake emerson fuchs goldberg hoffman ito jensen kaplan lopez mehta
nakamura olsen perez quigley ramos sato thornton ueda varga wong yamada zhang""".split()
ROOMS: Final = """kitchen|bedroom|hallway|garage|porch|basement|attic|office|nursery|patio|bathroom|
living room|dining room|garden|laundry|closet""".replace("\n", "").split("|")
DEVICES: Final = """light lamp fan heater speaker plug camera blinds thermostat sprinkler roomba
tv""".split()
PLACES: Final = """blue bottle coffee|panera bread|walgreens|trader joe's|philz coffee|
the golden lotus|mario's pizza|chipotle|peet's coffee|ritual roasters|olive garden|
pike place market|shell station|home depot|whole foods|barnes and noble|the rusty anchor|sushi zen|
taco cabana|curry palace|denny's|cafe luna|green dragon tea|burger barn|maple street deli|
noodle house|verve coffee|cinema nova|regal theater|grand hotel|chevron|sunoco|wawa|ikea|costco|
best buy|thai basil|el farolito|bella napoli|the copper kettle""".replace("\n", "").split("|")
SONGS: Final = """hey jude|thriller|rolling in the deep|bohemian rhapsody|halo|umbrella|
shake it off|hotel california|purple rain|yesterday|royals|happy|levitating|truth hurts|bad guy|
hello|let it be|africa|toxic|clocks|creep|zombie|wonderwall|dancing queen|fix you|believer|
sunflower|stay|perfect|respect""".replace("\n", "").split("|")
GENERIC: Final = """yes|no|cancel|never mind|the first one|the second one|stop|neither|okay|
none of them|yes please|no thanks""".replace("\n", "").split("|")
OUTSIDE: Final = """what's the weather|set a timer for ten minutes|turn it off|go back|
play some music|i don't know|someone else|tell me a joke|what time is it|call my mother|
show me more|repeat that|how far is it|that's all|wait a minute|the cheapest one|tomorrow morning|
two people|at seven|power|hour|stones|main street""".replace("\n", "").split("|")

COMMON_GIVEN: Final = """noah jo joe heather esther wes tess nan rita sue lou kay jay dee bea dot
abe al amy andy angie ann anna annie art arthur ava barb barry bart bess betty bill billy blake bo
bonnie brad brenda brent brett brian bruce bryce cal candice carol cathy chad chase chet chris chuck
cindy clay cliff clint connie cora craig curt daisy dale dan dave dawn dean deb denise dex don
donna dora doris drew dwight ed eddie ellen ellie elsa emily eric erin ernie eva evan fay fern flo
fran frank fred gail gary gene george gil gina glen gloria greg gus guy gwen hal hank harry harvey
hazel helen henry holly howard hugh ike ira irene isaac isla ivy jake jan jane janet jason jean jeff
jen jerry jess jill jim jimmy joan jody john jon josh joy joyce judy june justin keith ken kent kim
kirk kit kurt kyra lance larry laura leah lee len lena lenny les liz lola lucy luke luther lyle lynn
mabel mac maggie marge marie mark marlene martha marty mary mattie maude maureen max may mel mick
mike miles millie mindy minnie mitch moe molly monty myra nancy neal nell nelly nick nicky noel nora
norm norman otis otto owen pam pat patsy patty paul pearl peg peggy penny pete peter polly ralph ray
reggie rex rhonda rich rick rob robin rod rodney roger ron rose ross roy rudy russ sal sally sam
sandy sheila shelly shirley sid skip stan stella steve stu susan sylvia tammy tanya tara ted teddy
terry theo theresa tim timmy toby todd tom tony tracy trent trish troy trudy val vern vicky vince
viola violet von wade walt wendell wilma winnie woody wynn yolanda yves zelda""".split()
"""Common given names, many of them short: what everyday words are taken for."""


def pools(half: Half) -> dict[str, list[str]]:
    """Names of each sort; every second of a list belongs to the held-out half."""
    every = {
        "given": GIVEN,
        "family": FAMILY,
        "rooms": ROOMS,
        "devices": DEVICES,
        "places": PLACES,
        "songs": SONGS,
    }
    return {sort: words[int(half == "held-out") :: 2] for sort, words in every.items()}
