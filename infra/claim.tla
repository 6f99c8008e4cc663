-------------------------------- MODULE claim --------------------------------
(***************************************************************************)
(* How a turn is recorded, claimed, embedded, settled and discarded, when  *)
(* nodes crash and answers are lost.                                       *)
(*                                                                         *)
(* Each event has one recorder. A step is one operation of a store with    *)
(* its answer (Do), an operation whose answer is lost so that the adapter  *)
(* will repeat it (Lose), the death of the recorder's node, after which    *)
(* the event is delivered again to a fresh one unless it is acknowledged   *)
(* (Crash), a context that is late or fails (Fail), another delivery of an *)
(* event that is acknowledged (Again), or the end of the patience of one   *)
(* who awaits an owner that is at work (Hurry).                            *)
(*                                                                         *)
(* Who may have completed the trigger and finds the turn claimed by        *)
(* another awaits its settlement. If the owner does not come again, or is  *)
(* too slow, it works in the owner's place.                                *)
(*                                                                         *)
(* ctxasr/sim/exploration/claim_model.py is this module in Python: the same variables, *)
(* actions, invariants and properties, by the same names; the tests hold   *)
(* both together and run that one to its end. TLC is not part of the       *)
(* project, and no test runs it. By hand, TLC 2.15 with claim.cfg found    *)
(* 882,847 distinct states and no error, as many as the Python model has.  *)
(* The project's README says how to run it again.                          *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets

CONSTANTS
    Events,      \* one recorder each
    Payloads,    \* events that carry a text
    Needed,      \* events that satisfy the trigger together
    Asks,        \* the expect-speech among them
    Closes,      \* the event that ends the request
    Nobody,      \* no owner
    CrashesMax,
    LossesMax,
    DuplicatesMax,
    HurriesMax

ASSUME /\ Payloads \subseteq Events
       /\ Needed \subseteq Events
       /\ Asks \in Needed
       /\ Nobody \notin Events

VARIABLES
    pc,          \* what each recorder does next
    delivery,    \* how often each event was delivered before
    seen,        \* the references that a recorder's settle returned
    acked,       \* events that are acknowledged
    recorded,    \* events in the status item
    key,         \* the wrapped data key in the status item
    rows,        \* events whose payload lies in the payload table
    owner,       \* of the claim
    outcome,
    contexts,    \* context embeddings in the payload table, by their attempt
    effective,   \* those that a settled item refers to
    crashes,
    losses,
    duplicates,
    hurries

vars == <<pc, delivery, seen, acked, recorded, key, rows, owner, outcome, contexts,
          effective, crashes, losses, duplicates, hurries>>

Labels == {"open", "put", "write", "claim", "embed", "store", "settle", "await",
           "miss", "discard", "erase", "drop", "clean", "ack", "done"}
Closed == {"missed", "discarded"}

Start(e) == IF e \in Payloads THEN "open" ELSE "write"
Attempt(e) == <<e, delivery[e]>>
MayComplete(e) == e \in Payloads \/ e = Asks

Init ==
    /\ pc = [e \in Events |-> Start(e)]
    /\ delivery = [e \in Events |-> 0]
    /\ seen = [e \in Events |-> {}]
    /\ acked = {}
    /\ recorded = {}
    /\ key = "none"
    /\ rows = {}
    /\ owner = Nobody
    /\ outcome = "open"
    /\ contexts = {}
    /\ effective = {}
    /\ crashes = 0
    /\ losses = 0
    /\ duplicates = 0
    /\ hurries = 0

------------------------------------------------------------------------------
(* What an operation does to the tables, whether its answer comes or not.   *)

Settling(e) == pc[e] = "settle" /\ outcome = "open" /\ owner # Nobody
GivingUp(e) ==
    /\ outcome = "open"
    /\ \/ pc[e] = "miss" /\ owner # Nobody
       \/ pc[e] = "discard" /\ owner = Nobody

Effect(e) ==
    /\ key' = IF pc[e] = "open" /\ outcome = "open" /\ key = "none" THEN "there"
              ELSE IF GivingUp(e) THEN "gone"
              ELSE key
    /\ rows' = CASE pc[e] = "put" -> rows \cup {e}
                 [] pc[e] = "erase" -> rows \ seen[e]
                 [] pc[e] = "clean" -> rows \ {e}
                 [] OTHER -> rows
    /\ recorded' = IF pc[e] = "write" THEN recorded \cup {e} ELSE recorded
    /\ acked' = IF pc[e] = "ack" THEN acked \cup {e} ELSE acked
    /\ owner' = IF pc[e] = "claim" /\ owner = Nobody /\ outcome = "open" THEN e
                ELSE owner
    /\ outcome' = IF Settling(e) THEN "embedded"
                  ELSE IF ~GivingUp(e) THEN outcome
                  ELSE IF pc[e] = "discard" THEN "discarded" ELSE "missed"
    /\ effective' = IF Settling(e) THEN effective \cup {Attempt(e)} ELSE effective
    /\ contexts' = CASE pc[e] = "store" -> contexts \cup {Attempt(e)}
                     [] pc[e] = "drop" -> contexts \ {Attempt(e)}
                     [] OTHER -> contexts
    /\ seen' = IF pc[e] \in {"miss", "discard"}
               THEN [seen EXCEPT ![e] = recorded \cap Payloads]
               ELSE seen

(* Where the recorder goes on, given the tables after its operation.        *)

Decide(e) ==
    IF outcome' \in Closed /\ e \in Payloads THEN "clean"
    ELSE IF outcome' # "open" THEN "ack"
    ELSE IF owner' # Nobody THEN (IF owner' = e THEN "embed"
                                  ELSE IF MayComplete(e) THEN "await" ELSE "ack")
    ELSE IF Asks \in recorded' THEN (IF Needed \subseteq recorded' THEN "claim" ELSE "ack")
    ELSE IF Closes \in recorded' THEN "discard"
    ELSE "ack"

After(e) ==
    CASE pc[e] = "open" -> IF key' = "there" THEN "put" ELSE "write"
      [] pc[e] = "put" -> "write"
      [] pc[e] = "write" -> Decide(e)
      [] pc[e] = "claim" -> IF outcome' # "open" THEN "ack"
                            ELSE IF owner' = e THEN "embed"
                            ELSE IF MayComplete(e) THEN "await" ELSE "ack"
      [] pc[e] = "await" -> IF outcome' = "open" THEN "embed" ELSE "ack"
      [] pc[e] = "embed" -> IF key' = "there" /\ Needed \cap Payloads \subseteq rows'
                            THEN "store" ELSE "miss"
      [] pc[e] = "store" -> "settle"
      [] pc[e] = "settle" -> IF Attempt(e) \in effective' THEN "ack" ELSE "drop"
      [] pc[e] = "miss" -> IF outcome' = "missed" THEN "erase"
                           ELSE IF Attempt(e) \in effective' THEN "ack" ELSE "drop"
      [] pc[e] = "discard" -> IF outcome' = "discarded" THEN "erase" ELSE "ack"
      [] pc[e] = "erase" -> IF owner' # Nobody THEN "drop" ELSE "ack"
      [] pc[e] = "ack" -> "done"
      [] OTHER -> "ack"

------------------------------------------------------------------------------
MustWait(e) == pc[e] = "await" /\ outcome = "open" /\ pc[owner] # "done"

Do(e) ==
    /\ pc[e] # "done"
    /\ ~MustWait(e)
    /\ Effect(e)
    /\ pc' = [pc EXCEPT ![e] = After(e)]
    /\ UNCHANGED <<delivery, crashes, losses, duplicates, hurries>>

Lose(e) ==
    /\ pc[e] \notin {"ack", "done"}
    /\ losses < LossesMax
    /\ Effect(e)
    /\ losses' = losses + 1
    /\ UNCHANGED <<pc, delivery, crashes, duplicates, hurries>>

Crash(e) ==
    /\ pc[e] # "done"
    /\ crashes < CrashesMax
    /\ crashes' = crashes + 1
    /\ pc' = [pc EXCEPT ![e] = IF e \in acked THEN "done" ELSE Start(e)]
    /\ delivery' = [delivery EXCEPT ![e] = IF e \in acked THEN @ ELSE @ + 1]
    /\ seen' = [seen EXCEPT ![e] = {}]
    /\ UNCHANGED <<acked, recorded, key, rows, owner, outcome, contexts, effective,
                   losses, duplicates, hurries>>

Fail(e) ==
    /\ pc[e] \in {"embed", "store", "settle"}
    /\ pc' = [pc EXCEPT ![e] = "miss"]
    /\ UNCHANGED <<delivery, seen, acked, recorded, key, rows, owner, outcome, contexts,
                   effective, crashes, losses, duplicates, hurries>>

Again(e) ==
    /\ pc[e] = "done"
    /\ duplicates < DuplicatesMax
    /\ duplicates' = duplicates + 1
    /\ pc' = [pc EXCEPT ![e] = Start(e)]
    /\ delivery' = [delivery EXCEPT ![e] = @ + 1]
    /\ UNCHANGED <<seen, acked, recorded, key, rows, owner, outcome, contexts, effective,
                   crashes, losses, hurries>>

Hurry(e) ==
    /\ MustWait(e)
    /\ hurries < HurriesMax
    /\ hurries' = hurries + 1
    /\ pc' = [pc EXCEPT ![e] = "embed"]
    /\ UNCHANGED <<delivery, seen, acked, recorded, key, rows, owner, outcome, contexts,
                   effective, crashes, losses, duplicates>>

Next == \E e \in Events :
    Do(e) \/ Lose(e) \/ Crash(e) \/ Fail(e) \/ Again(e) \/ Hurry(e)

Spec == Init /\ [][Next]_vars /\ \A e \in Events : WF_vars(Do(e))

------------------------------------------------------------------------------
(* Invariants; the numbers are those of the design.                         *)

TypeOK ==
    /\ pc \in [Events -> Labels]
    /\ delivery \in [Events -> 0..(CrashesMax + DuplicatesMax)]
    /\ seen \in [Events -> SUBSET Payloads]
    /\ acked \subseteq Events
    /\ recorded \subseteq Events
    /\ key \in {"none", "there", "gone"}
    /\ rows \subseteq Payloads
    /\ owner \in Events \cup {Nobody}
    /\ outcome \in {"open", "embedded"} \cup Closed
    /\ contexts \subseteq Events \X (0..(CrashesMax + DuplicatesMax))
    /\ effective \subseteq Events \X (0..(CrashesMax + DuplicatesMax))
    /\ crashes \in 0..CrashesMax
    /\ losses \in 0..LossesMax
    /\ duplicates \in 0..DuplicatesMax
    /\ hurries \in 0..HurriesMax

(* 2 *)
AtMostOneContext ==
    /\ Cardinality(effective) = (IF outcome = "embedded" THEN 1 ELSE 0)
    /\ effective \subseteq contexts
    /\ effective # {} => key = "there"

(* 3; but a duplicate of what is acknowledged may come to own the claim *)
ClaimIsRecognised == outcome = "open" /\ duplicates = 0 => owner \notin acked

(* 1 *)
TriggerIsAnswered == Needed \subseteq acked => outcome # "open"

(* 1 *)
CompletedIsClosed ==
    Closes \in acked /\ Asks \notin recorded => outcome # "open"

(* 9 *)
AcknowledgedIsRecorded == acked \subseteq recorded

(* 2 *)
ClaimedIsNotDiscarded == outcome = "discarded" => owner = Nobody

(* 8 *)
ClosedIsShredded == outcome \in Closed => key = "gone"

(* 9 *)
PayloadBeforeEvent == key = "there" => recorded \cap Payloads \subseteq rows

(* 8 *)
NothingIsLeft ==
    (\A e \in Events : pc[e] = "done") /\ crashes = 0 =>
        /\ contexts = effective
        /\ outcome \in Closed => rows = {}

(* Properties of each step.                                                 *)

(* 2 *)
SettledForGood == [][outcome # "open" => UNCHANGED <<outcome, effective>>]_vars

(* 3 *)
OwnedForGood == [][owner # Nobody => UNCHANGED owner]_vars

(* 9 *)
RecordedForGood == [][recorded \subseteq recorded']_vars

(* Liveness, under weak fairness of every recorder.                         *)

(* 1 *)
Settles == <>[](outcome # "open")

(* 8 *)
Acknowledges == <>[](acked = Events)
==============================================================================
