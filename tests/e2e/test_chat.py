"""The chat over real sockets: greetings, rooms and history."""

import chat


def test_newcomer_receives_a_greeting_first(join):
    greeting = join("ann").receive()
    assert greeting["type"] == "welcome"
    assert greeting["user"] == "ann"
    assert greeting["rooms"] == ["lobby"]


def test_message_reaches_the_room_and_its_sender(join):
    ann, bob = join("ann"), join("bob")
    text = chat.unique("hello")
    own = ann.say(text)
    assert own == bob.receive(type="message", text=text)
    assert (own["from"], own["room"]) == ("ann", "lobby")
    answer = bob.say(chat.unique("hello back"))
    assert ann.receive(type="message", text=answer["text"]) == answer


def test_history_returns_the_last_messages_oldest_first(join):
    ann, room = join("ann"), chat.room("history")
    ann.enter(room)
    sent = [ann.say(chat.unique(f"number {number}"), room) for number in range(5)]
    late = join("late")
    wanted = [{name: message[name] for name in ("from", "text", "at")} for message in sent]
    assert late.history(room) == wanted
    assert late.history(room, limit=2) == wanted[-2:]


def test_rooms_deliver_to_their_members_only(join):
    ann, bob, room = join("ann"), join("bob"), chat.room("quiet")
    ann.enter(room)
    bob.enter(room)
    assert ann.receive(type="joined", room=room)["user"] == "bob"
    bob.leave(room)
    assert ann.receive(type="left", room=room)["user"] == "bob"
    ann.say(chat.unique("bob is gone"), room)
    # Deliveries to one client are in order, so the room's message would have arrived before this one.
    in_lobby = ann.say(chat.unique("to the lobby"))
    assert bob.receive(type="message") == in_lobby


def test_only_members_may_send_to_a_room(join):
    ann, room = join("ann"), chat.room("closed")
    ann.send({"action": "chat", "room": room, "text": "let me in"})
    assert room in ann.receive_error()


def test_disconnect_is_announced_to_the_room(join):
    ann, bob, room = join("ann"), join("bob"), chat.room("leaving")
    ann.enter(room)
    bob.enter(room)
    bob.close()
    assert ann.receive(type="left", room=room)["user"] == "bob"


def test_echo_replies_through_the_route_response(join):
    ann = join("ann")
    message = {"action": "echo", "text": chat.unique("echo"), "nested": {"list": [1, 2.5, None, "ü"]}}
    ann.send(message)
    assert ann.receive(action="echo", text=message["text"]) == message


def test_unknown_action_error_lists_the_known_actions(join):
    ann = join("ann")
    ann.send({"action": "fly"})
    error = ann.receive_error()
    assert "`fly`" in error
    assert all(f"`{action}`" in error for action in ("chat", "echo", "history", "join", "leave"))


def test_text_that_is_not_json_goes_to_the_default_route(join):
    ann = join("ann")
    ann.socket.send("hello?")
    assert "no JSON" in ann.receive_error()


def test_refused_request_names_the_invalid_member(join):
    ann = join("ann")
    ann.send({"action": "history", "room": "lobby", "limit": 0})
    assert "limit" in ann.receive_error()
